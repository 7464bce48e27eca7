//! What the whole process may take on, however many cores share the work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::connection::Connection;
use crate::server::{self, Server};

const CONNECTIONS_MAX: usize = 20;
/// The kernel spreads connections over the cores by their hash, so this many reach both.
const TRIED: usize = 3 * CONNECTIONS_MAX;
/// No answer takes this long; a refused connection is closed at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The limit is one for the process: two cores that counted apart would let in twice as many.
#[test]
fn max_connections_holds_for_all_cores_together() {
    let _turn = server::turn();
    let limit = format!("max.connections={CONNECTIONS_MAX}");
    let settings = ["forebay.cores=2", limit.as_str()];
    let Some(mut server) = Server::own("max-connections", &settings) else {
        return;
    };
    let mut open: Vec<TcpStream> = Vec::new();
    let mut refused = 0;
    for _ in 0..TRIED {
        match served(&server) {
            Some(stream) => open.push(stream),
            None => refused += 1,
        }
    }
    println!("{} connections served, {refused} refused", open.len());
    assert!(open.len() <= CONNECTIONS_MAX, "{} are served", open.len());
    // The connection that saw the node come up may not have been counted out yet.
    assert!(
        open.len() >= CONNECTIONS_MAX - 1,
        "{} are served",
        open.len()
    );
    assert_eq!(open.len() + refused, TRIED);

    // A place that is given back can be taken again, on whichever core.
    open.clear();
    let begin = std::time::Instant::now();
    while Connection::try_open(server.address()).is_err() {
        assert!(begin.elapsed() < PATIENCE, "no place was given back");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(server.is_running());
}

/// A connection whose first request was answered; nothing where the node closed it instead.
fn served(server: &Server) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // ApiVersions 0, correlation 1, no client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF];
    stream.write_all(&request).ok()?;
    let mut length = [0_u8; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("neither an answer nor an end within {PATIENCE:?}")
        }
        Err(_) => return None,
    }
    let mut rest = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut rest).ok()?;
    Some(stream)
}
