// SPDX-License-Identifier: MIT

//! The works of tasks that share something.

use crate::{join_all, rounds, share, since, Outcome};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, Mutex};
use tokio::task::{spawn, yield_now};

pub async fn give_way(tasks: usize, count: usize) -> Outcome {
    let make = |task| {
        let each = share(count, tasks, task);
        spawn(async move {
            for _ in 0..each {
                yield_now().await;
            }
        })
    };
    let handles = (0..tasks).map(make).collect();
    let begin = Instant::now();
    join_all(handles).await;
    since(begin, count)
}

pub async fn lock(tasks: usize, count: usize) -> Outcome {
    let lock = Arc::new(Mutex::new(()));
    let make = |task| {
        let each = share(count, tasks, task);
        let lock = lock.clone();
        spawn(async move {
            for _ in 0..each {
                let _held = lock.lock().await;
                yield_now().await;
            }
        })
    };
    let handles = (0..tasks).map(make).collect();
    let begin = Instant::now();
    join_all(handles).await;
    since(begin, count)
}

pub async fn queue(bound: usize, producers: usize, each: usize) -> Outcome {
    let (sender, mut receiver) = mpsc::channel::<usize>(bound);
    let mut handles: Vec<_> = (0..producers)
        .map(|_| {
            let sender = sender.clone();
            spawn(async move {
                for item in 0..each {
                    sender.send(item).await.expect("a receiver");
                }
            })
        })
        .collect();
    drop(sender);
    let total = producers * each;
    handles.push(spawn(async move {
        for i in 0..total {
            let item = receiver.recv().await.expect("a sender");
            assert!(producers > 1 || item == i);
        }
    }));
    let begin = Instant::now();
    join_all(handles).await;
    since(begin, total)
}

/// A channel of tokio has one receiver, so that many producers meet one consumer here.
pub async fn queue_tasks(count: usize) -> Outcome {
    let pairs = count.div_ceil(2);
    queue(1, pairs, rounds(2 * pairs)).await
}

pub async fn future(count: usize) -> Outcome {
    let (ask, mut asked) = mpsc::channel::<oneshot::Sender<usize>>(1);
    let waiter = spawn(async move {
        for i in 0..count {
            let (sender, receiver) = oneshot::channel();
            ask.send(sender).await.expect("one who resolves");
            assert_eq!(receiver.await, Ok(i));
        }
    });
    let resolver = spawn(async move {
        for i in 0..count {
            asked.recv().await.expect("a waiting task").send(i).expect("a waiting task");
        }
    });
    let begin = Instant::now();
    join_all(vec![waiter, resolver]).await;
    since(begin, count)
}
