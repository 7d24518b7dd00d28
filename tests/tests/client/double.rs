//! A registry of a test's own making: it answers as a function says, also as no registry should.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) method: String,
    /// As it stands in the request.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// As much of it as was taken.
    pub(crate) body: Vec<u8>,
}

impl Came {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// Method and path.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path())
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Behind how many bytes of the body the connection ends.
    cut: Option<usize>,
    /// Without a length.
    chunked: bool,
    hangs: bool,
    /// How long is waited ahead of each byte of the body.
    drips: Option<Duration>,
    lingers: bool,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// 200 with a body.
    pub(crate) fn body(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    /// The end of the connection.
    pub(crate) fn none() -> Self {
        Self::status(0)
    }

    /// Nothing, and no end.
    pub(crate) fn hangs() -> Self {
        Self { hangs: true, ..Self::status(200) }
    }

    /// What still comes is read behind the answer, and dropped: so that the client sees the answer ahead of the end.
    pub(crate) fn lingers(mut self) -> Self {
        self.lingers = true;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn with(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn cut(mut self, behind: usize) -> Self {
        self.cut = Some(behind);
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Byte by byte, with so long in between.
    pub(crate) fn drips(mut self, every: Duration) -> Self {
        self.drips = Some(every);
        self
    }

    /// A refusal as the specification has it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": "the double says so"}]});
        Self::status(status).header("Content-Type", "application/json").with(body.to_string())
    }

    /// 401 with a challenge.
    pub(crate) fn challenge(challenge: impl std::fmt::Display) -> Self {
        Self::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge)
    }
}

type Answers = Arc<dyn Fn(&Came) -> Reply + Send + Sync>;
type Takes = Arc<dyn Fn(&Came) -> Option<usize> + Send + Sync>;

/// The double, on a free port, until it is dropped.
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Double {
    /// Answers so.
    pub(crate) async fn start(answers: impl Fn(&Came) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(answers), Arc::new(|_| None), None).await
    }

    /// Answers so, and takes no more of a body than a function of its head says.
    pub(crate) async fn taking(
        takes: impl Fn(&Came) -> Option<usize> + Send + Sync + 'static,
        answers: impl Fn(&Came) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answers), Arc::new(takes), None).await
    }

    /// Answers so over TLS.
    pub(crate) async fn over_tls(
        tls: rustls::ServerConfig,
        answers: impl Fn(&Came) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answers), Arc::new(|_| None), Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn serve(answers: Answers, takes: Takes, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&came);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let one =
                    One { answers: Arc::clone(&answers), takes: Arc::clone(&takes), came: Arc::clone(&log) };
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => one.run(stream).await,
                        Some(tls) => {
                            // Who does not like the certificate goes away.
                            if let Ok(stream) = tls.accept(stream).await {
                                one.run(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, came, _serving: AbortOnDropHandle::new(serving) }
    }

    /// What came so far.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// Methods and paths of what came so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.came().iter().map(Came::line).collect()
    }
}

/// One connection, with one request: every answer ends it.
struct One {
    answers: Answers,
    takes: Takes,
    came: Arc<Mutex<Vec<Came>>>,
}

impl One {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let Some(mut came) = read_head(&mut stream).await else { return };
        let most = (self.takes)(&came);
        read_body(&mut stream, &mut came, most).await;
        self.came.lock().unwrap().push(came.clone());
        let reply = (self.answers)(&came);
        if reply.hangs {
            std::future::pending::<()>().await;
        }
        let lingers = reply.lingers;
        if reply.status != 0 {
            write(&mut stream, &came, reply).await;
        }
        if lingers {
            // Without an end to it: the client goes away when it has read the answer.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
}

/// The head; what came of the body with it is in `body`.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Came> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut buffer = [0; 8192];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Some(Came { method, target, headers, body: read.split_off(end + 4) })
}

/// The rest of a body, whose length must be stated: this client states it.
async fn read_body<S: AsyncRead + Unpin>(stream: &mut S, came: &mut Came, most: Option<usize>) {
    assert!(came.header("transfer-encoding").is_none(), "a body of no stated length: {came:?}");
    let length: usize = came.header("content-length").map_or(0, |length| length.parse().unwrap());
    let length = most.map_or(length, |most| most.min(length));
    let mut buffer = vec![0; 64 * 1024];
    while came.body.len() < length {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => came.body.extend_from_slice(&buffer[..read]),
        }
    }
    came.body.truncate(length);
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, came: &Came, reply: Reply) {
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let stated = reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match (reply.chunked, stated) {
        (true, _) => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        (false, true) => head.push_str("\r\n"),
        (false, false) => head.push_str(&format!("Content-Length: {}\r\n\r\n", reply.body.len())),
    }
    let mut sent = head.into_bytes();
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())];
    if let Some(every) = reply.drips {
        let _ = stream.write_all(&sent).await;
        for byte in body.chunks(1) {
            tokio::time::sleep(every).await;
            if stream.write_all(byte).await.is_err() {
                return;
            }
        }
        let _ = stream.shutdown().await;
        return;
    }
    if came.method != "HEAD" {
        if reply.chunked {
            sent.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            sent.extend_from_slice(body);
            sent.extend_from_slice(b"\r\n");
            if reply.cut.is_none() {
                sent.extend_from_slice(b"0\r\n\r\n");
            }
        } else {
            sent.extend_from_slice(body);
        }
    }
    // A client may have gone by then.
    let _ = stream.write_all(&sent).await;
    let _ = stream.shutdown().await;
}
