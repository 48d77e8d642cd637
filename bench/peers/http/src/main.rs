// SPDX-License-Identifier: MIT
//
// The HTTP server of the benchmark on tokio and hyper: `http_bench PORT FOLDER`. "/plaintext" is 13
// bytes, every other path a file of the folder. One thread.
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, Request, Response};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, env, path::PathBuf};
use tokio::net::TcpListener;

async fn respond(
    request: Request<Incoming>,
    folder: PathBuf,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/plaintext" => Bytes::from_static(b"Hello, World!"),
        path => {
            let path = folder.join(path.trim_start_matches("/"));
            Bytes::from(tokio::fs::read(path).await.unwrap())
        }
    };
    Ok(Response::builder().header("Content-Type", "text/plain").body(Full::new(body)).unwrap())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let listener = TcpListener::bind(format!("127.0.0.1:{}", arguments[1])).await?;
    let folder = PathBuf::from(&arguments[2]);
    loop {
        let (stream, _) = listener.accept().await?;
        let folder = folder.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, folder.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
