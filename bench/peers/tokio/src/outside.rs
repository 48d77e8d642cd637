// SPDX-License-Identifier: MIT

//! The works with other threads, and the echo servers.

use crate::{join_all, pin, share, since, Outcome};
use std::thread;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{spawn, spawn_blocking};

async fn hand_over(count: usize) {
    for i in 0..count {
        assert_eq!(spawn_blocking(move || i).await.expect("a job"), i);
    }
}

pub async fn executor(in_flight: usize, count: usize) -> Outcome {
    let begin = Instant::now();
    if in_flight == 1 {
        hand_over(count).await;
    } else {
        let make = |task| spawn(hand_over(share(count, in_flight, task)));
        join_all((0..in_flight).map(make).collect()).await;
    }
    since(begin, count)
}

type Post = Box<dyn FnOnce(&mut usize) + Send>;

/// Callbacks go through an unbounded channel, which is the way from a thread to a task; to spawn a
/// task for each, from outside, takes longer.
pub async fn wake(count: usize) -> Outcome {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Post>();
    let begin = Instant::now();
    let poster = thread::spawn(move || {
        pin(1);
        for _ in 0..count {
            sender.send(Box::new(|ran| *ran += 1)).expect("a loop");
        }
    });
    let mut ran = 0;
    while let Some(post) = receiver.recv().await {
        post(&mut ran);
    }
    let outcome = since(begin, count);
    poster.join().expect("a thread");
    assert_eq!(ran, count);
    outcome
}

async fn serve(mut socket: TcpStream) {
    let mut buffer = [0u8; 16384];
    loop {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if socket.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

pub async fn echo(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        spawn(serve(socket));
    }
}

pub async fn udp(port: u16) {
    let socket = UdpSocket::bind(("127.0.0.1", port)).await.expect("a port");
    let mut buffer = [0u8; 65536];
    loop {
        if let Ok((count, sender)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..count], sender).await;
        }
    }
}
