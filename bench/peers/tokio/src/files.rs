// SPDX-License-Identifier: MIT

//! The works of files; tokio does each operation in a thread.

use crate::{since, Outcome};
use std::io::SeekFrom;
use std::time::Instant;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const BYTES: u64 = 1 << 20;

fn scratch() -> String {
    format!("/tmp/bench-file-tokio-{}", std::process::id())
}

async fn make() -> File {
    fs::write(scratch(), vec![b'x'; BYTES as usize]).await.expect("a file");
    fs::OpenOptions::new().read(true).write(true).open(scratch()).await.expect("open")
}

/// From the beginning to the end, again and again; it seeks at the beginning alone.
pub async fn read(size: usize, count: usize) -> Outcome {
    let mut file = make().await;
    let mut buffer = vec![0u8; size];
    let each = BYTES as usize / size;
    let begin = Instant::now();
    for i in 0..count {
        if i % each == 0 {
            file.seek(SeekFrom::Start(0)).await.expect("seek");
        }
        file.read_exact(&mut buffer).await.expect("read");
    }
    let outcome = since(begin, count);
    fs::remove_file(scratch()).await.expect("remove");
    outcome
}

/// Each write is flushed, so that it has happened when the next one begins.
pub async fn write(count: usize) -> Outcome {
    let mut file = make().await;
    let buffer = vec![b'y'; 4096];
    let begin = Instant::now();
    for i in 0..count {
        if i % (BYTES as usize / 4096) == 0 {
            file.seek(SeekFrom::Start(0)).await.expect("seek");
        }
        file.write_all(&buffer).await.expect("write");
        file.flush().await.expect("flush");
    }
    let outcome = since(begin, count);
    fs::remove_file(scratch()).await.expect("remove");
    outcome
}

pub async fn open(count: usize) -> Outcome {
    drop(make().await);
    let mut buffer = vec![0u8; 4096];
    let path = scratch();
    let begin = Instant::now();
    for _ in 0..count {
        let mut file = File::open(&path).await.expect("open");
        file.read_exact(&mut buffer).await.expect("read");
    }
    let outcome = since(begin, count);
    fs::remove_file(path).await.expect("remove");
    outcome
}
