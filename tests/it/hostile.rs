//! Clients that mean harm, or behave as if: what they send, and how many of them fit.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base::Random;

/// Descriptors that the rest of the test process needs.
const DESCRIPTORS_KEPT: usize = 64;
/// How long a victim of a mutation waits for an answer that may never come.
const ANSWER_PATIENCE: Duration = Duration::from_millis(2);

/// As many of `wanted` connections as this process may have open.
pub(crate) fn crowd(address: SocketAddr, wanted: usize) -> Vec<TcpStream> {
    let count = crowd_max(wanted);
    if count < wanted {
        println!("only {count} of {wanted} connections: raise `ulimit -n`");
    }
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

/// How many of `wanted` connections [`crowd`] makes.
pub(crate) fn crowd_max(wanted: usize) -> usize {
    wanted.min(descriptors_max() - DESCRIPTORS_KEPT)
}

/// The soft limit of open files of this process.
fn descriptors_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// The beginning of a frame that claims `claimed` bytes and brings `sent` of them.
pub(crate) fn boast(claimed: i32, sent: usize) -> Vec<u8> {
    // A produce request, so that the claim is not refused for being of an unusual kind.
    let mut bytes = claimed.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 1, 0, 2, b'i', b't', 0]);
    bytes.resize(4 + sent, 0);
    bytes
}

/// A frame with some of its bytes changed, cut, repeated or made to lie about lengths.
pub(crate) fn mutate(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next_u64() as u8,
            2 => bytes.truncate(at.max(5)),
            3 => {
                let piece = bytes[at..].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let lie = random.next_u64().to_be_bytes();
                bytes.splice(at..at, lie);
            }
            _ => {
                let end = bytes.len().min(at + 4);
                bytes[at..end].fill(0xFF);
            }
        }
    }
    // Most mutants keep an honest frame length, or none would get past the framing.
    if random.chance(9, 10) && bytes.len() > 4 {
        let length = i32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
    }
    bytes
}

/// How many mutants go out before answers are looked at.
const SENT_PER_READ: u64 = 16;

/// A connection that is made again whenever the broker has had enough of it.
pub(crate) struct Tormentor {
    address: SocketAddr,
    stream: Option<TcpStream>,
    sent: u64,
    pub(crate) connections: u64,
}

impl Tormentor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            sent: 0,
            connections: 0,
        }
    }

    /// Sends the bytes and reads what comes at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).expect("the broker accepts connections");
            stream.set_read_timeout(Some(ANSWER_PATIENCE)).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_secs(1)))
                .unwrap();
            self.connections += 1;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().unwrap();
        self.sent += 1;
        // Waiting for every answer would take minutes; what is not read in time waits in the socket.
        let is_time_to_read = self.sent.is_multiple_of(SENT_PER_READ);
        if stream.write_all(bytes).is_err() || is_time_to_read && is_closed(stream) {
            self.stream = None;
        }
    }
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let mut sink = [0_u8; 65536];
    match stream.read(&mut sink) {
        Ok(count) => count == 0,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ),
    }
}
