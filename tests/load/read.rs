//! Reads over kept connections, a thread for each: `wrk` waits for the body of a `HEAD`, and knows no rate.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::client::Failure;
use crate::pace::{Pace, tell};

/// What is asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Method {
    Get,
    Head,
}

/// What all connections do.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) clients: usize,
    pub(crate) seconds: u64,
    /// Requests a second, of all together; as fast as they can, where none is said.
    pub(crate) rate: Option<f64>,
}

pub(crate) async fn run(address: &str, authorization: Option<&str>, reads: Reads) -> Result<(), Failure> {
    let host = address.trim_start_matches("http://").to_owned();
    let authorization = authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    let method = format!("{:?}", reads.method).to_uppercase();
    let path = &reads.path;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Accept: application/vnd.oci.image.manifest.v1+json\r\n\r\n"
    );
    let begun = Instant::now();
    let running: Vec<_> = (0..reads.clients)
        .map(|number| {
            let (reads, host, request) = (reads.clone(), host.clone(), request.clone());
            tokio::task::spawn_blocking(move || one(&reads, number, &host, &request))
        })
        .collect();
    let (mut took, mut bytes) = (Vec::new(), 0);
    for client in running {
        let (its, got) = client.await??;
        took.extend(its);
        bytes += got;
    }
    tell(took, begun.elapsed(), bytes)
}

/// What one connection does: how long each request took, and how many bytes of content came.
fn one(reads: &Reads, number: usize, host: &str, request: &str) -> Result<(Vec<Duration>, usize), Failure> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    let end = Instant::now() + Duration::from_secs(reads.seconds);
    let mut pace = Pace::new(reads.rate, reads.clients, number);
    let (mut took, mut bytes) = (Vec::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let mut began = pace.next();
        if began >= end {
            return Ok((took, bytes));
        }
        let early = began.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early);
            began = Instant::now();
        }
        stream.write_all(request.as_bytes())?;
        bytes += answer(&mut stream, &mut buffer, matches!(reads.method, Method::Get))?;
        took.push(began.elapsed());
    }
}

/// Takes an answer in, with its content, where it has any. Yields how long that was.
fn answer(stream: &mut TcpStream, buffer: &mut [u8], has_content: bool) -> Result<usize, Failure> {
    let mut length = 0;
    let head = loop {
        let room = buffer.get_mut(length..).filter(|room| !room.is_empty()).ok_or("the head is too long")?;
        length += some(stream.read(room)?)?;
        let read = buffer.get(..length).unwrap_or_default();
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default()).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(text.into());
    }
    let content = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let content: usize = if has_content { content.ok_or("no length")?.trim().parse()? } else { 0 };
    let mut left = (head + content).saturating_sub(length);
    while left > 0 {
        let room = left.min(buffer.len());
        left -= some(stream.read(buffer.get_mut(..room).unwrap_or_default())?)?;
    }
    Ok(content)
}

fn some(read: usize) -> Result<usize, Failure> {
    if read == 0 { Err("the server closed the connection".into()) } else { Ok(read) }
}
