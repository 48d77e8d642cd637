// SPDX-License-Identifier: MIT

//! The works on tokio, on its current_thread runtime: tasks with JoinHandles, its channels, mutex
//! and timers. `timers` polls each Sleep once, for a Sleep is in the wheel from then on only.

mod crowd;
mod files;
mod outside;
mod time;

use std::env;
use std::future::Future;
use std::process::exit;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn, JoinHandle};

/// The result of a work.
#[derive(Default)]
pub struct Outcome {
    pub elapsed_ns: f64,
    pub end_ns: f64,
    pub bytes: f64,
    pub operations: usize,
}

pub fn elapsed_ns(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64
}

/// The outcome of a number of operations since a moment.
pub fn since(begin: Instant, operations: usize) -> Outcome {
    Outcome { elapsed_ns: elapsed_ns(begin), operations, ..Outcome::default() }
}

/// Returns the part of a count that falls to one of several tasks.
pub fn share(count: usize, parts: usize, part: usize) -> usize {
    count / parts + usize::from(part < count % parts)
}

/// Returns the number of operations of each task in the works of scale.
pub fn rounds(tasks: usize) -> usize {
    if tasks > 100_000 { 3 } else { 300_000 / tasks }
}

pub async fn join_all<T>(handles: Vec<JoinHandle<T>>) {
    for handle in handles {
        handle.await.expect("a task");
    }
}

/// Pins this thread to a CPU; a no-op where that CPU does not exist.
pub fn pin(cpu: usize) {
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
    }
}

async fn spawn_one(count: usize) -> Outcome {
    let begin = Instant::now();
    for _ in 0..count {
        spawn(async {}).await.expect("a task");
    }
    since(begin, count)
}

async fn spawn_batch(count: usize) -> Outcome {
    let mut handles = Vec::with_capacity(count);
    let begin = Instant::now();
    for _ in 0..count {
        handles.push(spawn(async {}));
    }
    join_all(handles).await;
    since(begin, count)
}

/// Runs a work as a task, as tokio advises: block_on() itself is slower to wake.
fn run<F: Future<Output = Outcome> + Send + 'static>(runtime: &Runtime, work: F) -> Outcome {
    runtime.block_on(async { spawn(work).await.expect("a task") })
}

/// Runs a work once to warm up, and then a number of times for the result.
fn measure<F: Future<Output = Outcome> + Send + 'static>(
    runtime: &Runtime,
    name: &str,
    (count, times): (usize, usize),
    work: impl Fn(usize) -> F,
) -> Outcome {
    let has_threads = name.starts_with("executor") || name.starts_with("file_") || name == "wake";
    let most = if name == "asleep" { 1000 } else { usize::MAX };
    let warm_up = (count / 10).min(most);
    if !has_threads {
        pin(0);
    }
    if warm_up > 0 {
        run(runtime, work(warm_up));
    }
    // Threads must not inherit the pin: they were made warming up.
    if has_threads {
        pin(0);
    }
    let mut total = run(runtime, work(count));
    for _ in 1..times {
        let outcome = run(runtime, work(count));
        total.elapsed_ns += outcome.elapsed_ns;
        total.end_ns += outcome.end_ns;
        total.operations += outcome.operations;
    }
    total
}

fn run_named(runtime: &Runtime, name: &str, count: (usize, usize)) -> Option<Outcome> {
    let r = runtime;
    Some(match name {
        "yield" => measure(r, name, count, |n| crowd::give_way(2, n)),
        "yield1000" => measure(r, name, count, |n| crowd::give_way(1000, n)),
        "yield_tasks" => measure(r, name, count, |n| crowd::give_way(n, n * rounds(n))),
        "spawn" => measure(r, name, count, spawn_one),
        "spawn_batch" => measure(r, name, count, spawn_batch),
        "asleep" => measure(r, name, count, time::asleep),
        "timers" => measure(r, name, count, time::timers),
        "timeout" => measure(r, name, count, time::timeout),
        "cancel" => measure(r, name, count, time::cancel),
        "queue" => measure(r, name, count, |n| crowd::queue(1, 1, n)),
        "queue1000" => measure(r, name, count, |n| crowd::queue(1000, 1, n)),
        "queue_tasks" => measure(r, name, count, crowd::queue_tasks),
        "future" => measure(r, name, count, crowd::future),
        "lock" => measure(r, name, count, |n| crowd::lock(10, n)),
        "lock_tasks" => measure(r, name, count, |n| crowd::lock(n, n * rounds(n))),
        "executor" => measure(r, name, count, |n| outside::executor(1, n)),
        "executor64" => measure(r, name, count, |n| outside::executor(64, n)),
        "file_read" => measure(r, name, count, |n| files::read(4096, n)),
        "file_read64k" => measure(r, name, count, |n| files::read(65536, n)),
        "file_write" => measure(r, name, count, files::write),
        "file_open" => measure(r, name, count, files::open),
        "wake" => measure(r, name, count, outside::wake),
        _ => return None,
    })
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let count = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(0usize);
    let times = arguments.get(3).and_then(|text| text.parse().ok()).unwrap_or(1usize);
    if count == 0 || times == 0 {
        eprintln!("usage: bench WORK N [TIMES] | bench echo PORT");
        exit(2);
    }
    let name = arguments[1].as_str();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    if name == "echo" {
        pin(0);
        runtime.block_on(outside::echo(count as u16));
    }
    if name == "udp" {
        pin(0);
        runtime.block_on(outside::udp(count as u16));
    }
    let Some(outcome) = run_named(&runtime, name, (count, times)) else {
        println!("{name} n/a");
        return;
    };
    let operations = outcome.operations as f64;
    if name == "asleep" {
        println!("asleep_bytes {:.1} B", outcome.bytes);
        println!("asleep_make {:.2} ns", outcome.elapsed_ns / operations);
        println!("asleep_end {:.2} ns", outcome.end_ns / operations);
        return;
    }
    println!("{name} {:.2} ns", outcome.elapsed_ns / operations);
}
