//! A connection on which anything can be said, also what no client library would.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP connection to the registry.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    read: Vec<u8>,
    /// The answer has a length and no body.
    of_head: bool,
}

/// An answer of HTTP/1.1, as it was read.
#[derive(Debug)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The code of the first error in the body.
    #[must_use]
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

async fn patient<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("the registry did not answer in time")
}

impl RawConnection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = patient(TcpStream::connect(address)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, read: Vec::new(), of_head: false }
    }

    /// Sends bytes. A registry that has hung up is no fault here: what it said before counts.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = patient(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends the head of a request; `headers` are whole lines without their ends.
    pub async fn head(&mut self, line: &str, headers: &[&str]) {
        self.of_head = line.starts_with("HEAD ");
        let mut head = format!("{line} HTTP/1.1\r\nHost: registry\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        self.send(head).await;
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = patient(self.stream.shutdown()).await;
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match patient(self.stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.read.extend_from_slice(&buffer[..length]);
                true
            }
        }
    }

    /// Reads until the registry hangs up; true when it said nothing more.
    pub async fn ended(&mut self) -> bool {
        while self.more().await {}
        self.read.is_empty()
    }

    /// Reads an answer, with a body of the stated length. `None` when the registry hung up instead.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        let end = loop {
            match self.read.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if self.more().await => {}
                None => return None,
            }
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let length: usize = length.filter(|_| !self.of_head).unwrap_or(0);
        self.read.drain(..end);
        while self.read.len() < length && self.more().await {}
        let body = self.read.drain(..length.min(self.read.len())).collect();
        Some(RawAnswer { status, headers, body })
    }

    /// Sends a whole request without a body and reads its answer.
    pub async fn ask(&mut self, line: &str, headers: &[&str]) -> Option<RawAnswer> {
        self.head(line, headers).await;
        self.answer().await
    }
}
