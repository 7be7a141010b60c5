//! A web server on loopback that serves songs, well and badly.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What an address gives.
#[derive(Clone)]
pub enum Page {
    /// A file of this type.
    File(&'static str, Vec<u8>),
    /// A file that breaks off midway, the first time its bytes are asked for from the start, and can be resumed.
    BreaksOff(Vec<u8>),
    /// A file that comes so slowly that it takes a minute.
    Slow(Vec<u8>),
}

/// A running server. It ends with the test.
pub struct Server {
    pub address: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    log: Arc<Mutex<Vec<String>>>,
    serving: Arc<AtomicUsize>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, pages: Arc::default(), log: Arc::default(), serving: Arc::default() };
        let (pages, log, serving) = (server.pages.clone(), server.log.clone(), server.serving.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, log, serving) = (pages.clone(), log.clone(), serving.clone());
                serving.fetch_add(1, Ordering::SeqCst);
                // A client that goes away midway is what some tests are about.
                std::thread::spawn(move || {
                    drop(serve(stream, &pages, &log));
                    serving.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub fn put(&self, path: &str, page: Page) -> String {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
        format!("{}{path}", self.address)
    }

    /// The requests so far, such as "GET /a.wav" and "GET /a.wav bytes=100-".
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How many requests are being answered.
    pub fn serving(&self) -> usize {
        self.serving.load(Ordering::SeqCst)
    }

    pub fn asked_for(&self, path: &str) -> usize {
        self.log().iter().filter(|line| line.split(' ').nth(1) == Some(path)).count()
    }
}

fn serve(
    mut stream: TcpStream,
    pages: &Mutex<HashMap<String, Page>>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut range = None;
    loop {
        let mut header = String::new();
        if reader.by_ref().take(8_000).read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = Some(value.trim().to_owned());
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
    let first = {
        let mut log = log.lock().unwrap();
        let line = format!("{method} {path}{}", range.as_ref().map(|r| format!(" {r}")).unwrap_or_default());
        log.push(line.clone());
        // The first request looks at the page, the second takes the file.
        log.iter().filter(|before| **before == line).count() <= 2
    };
    let page = pages.lock().unwrap().get(&path).cloned();
    let (kind, bytes) = match &page {
        Some(Page::File(kind, bytes)) => (*kind, bytes.as_slice()),
        Some(Page::BreaksOff(bytes) | Page::Slow(bytes)) => ("audio/wav", bytes.as_slice()),
        None => {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    };
    let from = range
        .and_then(|r| r.strip_prefix("bytes=")?.split('-').next()?.parse().ok())
        .filter(|&n| n < bytes.len());
    let rest = &bytes[from.unwrap_or(0)..];
    let status = match from {
        Some(from) => {
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len())
        }
        None => "200 OK\r\nAccept-Ranges: bytes".to_owned(),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "HEAD" {
        return Ok(());
    }
    match page {
        Some(Page::BreaksOff(_)) if from.is_none() && first => stream.write_all(&rest[..rest.len() / 2]),
        Some(Page::Slow(_)) => rest.chunks(rest.len() / 600).try_for_each(|chunk| {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(chunk)
        }),
        _ => stream.write_all(rest),
    }
}
