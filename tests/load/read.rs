//! Reads over kept connections, for the methods that `wrk` does not know: it waits for the body of a `HEAD`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Failure;

/// What one connection did.
struct Done {
    took: Vec<Duration>,
}

pub(crate) async fn run(
    address: &str,
    authorization: Option<&str>,
    path: &str,
    clients: usize,
    seconds: u64,
) -> Result<(), Failure> {
    let host = address.trim_start_matches("http://");
    let authorization = authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    let request = format!(
        "HEAD {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Accept: application/vnd.oci.image.manifest.v1+json\r\n\r\n"
    );
    let end = Instant::now() + Duration::from_secs(seconds);
    let begun = Instant::now();
    let running: Vec<_> =
        (0..clients).map(|_| tokio::spawn(one(host.to_owned(), request.clone(), end))).collect();
    let mut took = Vec::new();
    for client in running {
        took.extend(client.await??.took);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| {
        let index = ((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1));
        took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    };
    let mut out = std::io::stdout().lock();
    let (count, rate) = (took.len(), took.len() as f64 / elapsed);
    writeln!(out, "requests {count} rate {rate:.1} mib 0 p50 {:.2} p99 {:.2}", at(0.5), at(0.99))?;
    Ok(())
}

async fn one(host: String, request: String, end: Instant) -> Result<Done, Failure> {
    let mut stream = TcpStream::connect(&host).await?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 4096];
    let mut took = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut length = 0;
        while !answer.get(..length).is_some_and(|read| read.ends_with(b"\r\n\r\n")) {
            let room =
                answer.get_mut(length..).filter(|room| !room.is_empty()).ok_or("the head is too long")?;
            let read = stream.read(room).await?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            length += read;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into());
        }
        took.push(began.elapsed());
    }
    Ok(Done { took })
}
