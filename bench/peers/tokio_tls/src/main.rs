// SPDX-License-Identifier: MIT
//! The echo server by TLS: `tls PORT CERT KEY`, a task for each connection, on one thread.
use std::{env, fs::File, io::BufReader, sync::Arc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{rustls::ServerConfig, TlsAcceptor};

const BUFFER_BYTES: usize = 16384;

async fn serve(port: u16, config: ServerConfig) -> std::io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::task::spawn_local(async move {
            let Ok(mut stream) = acceptor.accept(socket).await else { return };
            let mut buffer = vec![0u8; BUFFER_BYTES];
            while let Ok(count) = stream.read(&mut buffer).await {
                if count == 0 || stream.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
                if stream.flush().await.is_err() {
                    break;
                }
            }
        });
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let open = |path: &String| BufReader::new(File::open(path).expect("file"));
    let chain = rustls_pemfile::certs(&mut open(&arguments[2])).map(|c| c.unwrap()).collect();
    let key = rustls_pemfile::private_key(&mut open(&arguments[3])).unwrap().expect("key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)
        .expect("certificate");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, serve(arguments[1].parse().unwrap(), config))
        .unwrap();
}
