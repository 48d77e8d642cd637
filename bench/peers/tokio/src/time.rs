// SPDX-License-Identifier: MIT

//! The works of timers and cancelling.

use crate::{elapsed_ns, since, Outcome};
use std::fs;
use std::future::{pending, Future};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::task::{spawn, yield_now};
use tokio::time::{sleep, timeout as with_timeout, Sleep};

const HOUR: Duration = Duration::from_secs(3600);

fn resident_bytes() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: f64 = text.split(' ').nth(1).expect("pages").parse().expect("a number");
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64
}

pub async fn asleep(count: usize) -> Outcome {
    let mut handles = Vec::with_capacity(count);
    let before_bytes = resident_bytes();
    let begin = Instant::now();
    for _ in 0..count {
        handles.push(spawn(sleep(HOUR)));
    }
    // Tasks start in the order in which they were spawned: when this one ends, all sleep.
    spawn(async {}).await.expect("a task");
    let mut outcome = since(begin, count);
    outcome.bytes = (resident_bytes() - before_bytes) / count as f64;
    let begin = Instant::now();
    for handle in &handles {
        handle.abort();
    }
    for handle in handles {
        assert!(handle.await.expect_err("cancelled").is_cancelled());
    }
    outcome.end_ns = elapsed_ns(begin);
    outcome
}

fn scatter(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub async fn timers(count: usize) -> Outcome {
    let mut state = 88172645463325252u64;
    let mut delays = Vec::with_capacity(count);
    for _ in 0..count {
        let part = (scatter(&mut state) >> 11) as f64 / 9007199254740992.0;
        delays.push(Duration::from_secs_f64(1.0 + 59.0 * part));
    }
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        order.swap(i, (scatter(&mut state) % (i as u64 + 1)) as usize);
    }
    let mut all: Vec<Option<Pin<Box<Sleep>>>> = Vec::with_capacity(count);
    let mut context = Context::from_waker(Waker::noop());
    let begin = Instant::now();
    for delay in &delays {
        let mut timer = Box::pin(sleep(*delay));
        assert!(timer.as_mut().poll(&mut context).is_pending());
        all.push(Some(timer));
    }
    for i in &order[..count / 10 * 9] {
        all[*i] = None;
    }
    since(begin, count)
}

pub async fn timeout(count: usize) -> Outcome {
    let begin = Instant::now();
    for _ in 0..count {
        with_timeout(Duration::from_secs(10), yield_now()).await.expect("in time");
    }
    since(begin, count)
}

pub async fn cancel(count: usize) -> Outcome {
    let begin = Instant::now();
    for _ in 0..count {
        let task = spawn(pending::<()>());
        yield_now().await;
        task.abort();
        assert!(task.await.expect_err("cancelled").is_cancelled());
    }
    since(begin, count)
}
