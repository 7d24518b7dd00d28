//! A receiver of deliveries, which answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// With a status.
    Status(u16),
    /// With a status, and the headers that came as its body.
    Echo(u16),
    /// Never.
    Hangs,
    /// Something else than HTTP.
    Garbage,
    /// With a status, and a body that has no end.
    Endless(u16),
    /// With a status, and a body that comes too slowly ever to end.
    Drips(u16),
    /// With a redirect.
    To(u16, String),
    /// With the end of the connection.
    Ends,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// The lines ahead of the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Came {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The tag that it tells of.
    #[must_use]
    pub fn tag(&self) -> String {
        self.json()["event_data"]["resources"][0]["tag"].as_str().unwrap_or_default().to_owned()
    }
}

#[derive(Debug)]
struct State {
    answers: Answers,
    came: Vec<Came>,
}

/// A receiver on a free port, which ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens, on the loopback interface.
    pub port: u16,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

impl Receiver {
    /// Answers so, on a free port.
    pub async fn start(answers: Answers) -> Self {
        Self::at("127.0.0.1:0", answers).await
    }

    /// Answers so, at an address.
    pub async fn at(address: &str, answers: Answers) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { answers, came: Vec::new() }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state, _serving: AbortOnDropHandle::new(serving) }
    }

    /// The address for a target.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?x=1", self.port)
    }

    /// Answers so from now on.
    pub fn answer(&self, answers: Answers) {
        self.state.lock().unwrap().answers = answers;
    }

    /// What came so far.
    #[must_use]
    pub fn came(&self) -> Vec<Came> {
        self.state.lock().unwrap().came.clone()
    }

    /// The tags that it was told of so far.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        self.came().iter().map(Came::tag).collect()
    }

    /// What came, as soon as it is so much.
    pub async fn wait_for(&self, count: usize) -> Vec<Came> {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.came().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{count} requests do not come, but {:?}", self.tags()));
        self.came()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Some(came) = request(&mut stream).await {
        let head = came.head.clone();
        let answers = {
            let mut state = state.lock().unwrap();
            state.came.push(came);
            state.answers.clone()
        };
        if answer(&mut stream, answers, &head).await.is_none() {
            return;
        }
    }
}

/// The next request of a connection.
async fn request(stream: &mut TcpStream) -> Option<Came> {
    let mut read = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&piece[..count]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut body = read.split_off(end + 4);
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.next().map_or(0, |(_, length)| length.parse().unwrap());
    while body.len() < length {
        let mut piece = vec![0; length - body.len()];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&piece[..count]);
    }
    Some(Came { head, body: String::from_utf8(body).unwrap() })
}

/// Answers; nothing when the connection is over.
async fn answer(stream: &mut TcpStream, answers: Answers, head: &str) -> Option<()> {
    let text = match answers {
        Answers::Status(status) => {
            format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n\u{1b}[0m\r")
        }
        Answers::Echo(status) => {
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{head}", head.len())
        }
        Answers::To(status, location) => {
            format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        }
        Answers::Garbage => "SSH-2.0-OpenSSH_9.6\r\n\r\n\0\0".to_owned(),
        Answers::Ends => return None,
        Answers::Hangs => std::future::pending().await,
        Answers::Endless(status) | Answers::Drips(status) => {
            let head = format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            let drips = matches!(answers, Answers::Drips(_));
            let piece =
                if drips { "1\r\nx\r\n".to_owned() } else { format!("4000\r\n{}\r\n", "x".repeat(0x4000)) };
            loop {
                stream.write_all(piece.as_bytes()).await.ok()?;
                tokio::time::sleep(Duration::from_millis(if drips { 50 } else { 0 })).await;
            }
        }
    };
    stream.write_all(text.as_bytes()).await.ok()
}
