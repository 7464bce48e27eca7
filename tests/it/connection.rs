//! One blocking connection that speaks raw frames.
//!
//! Invariant: every answer is matched with its question by correlation id, so an answer out of
//! order fails the test that sees it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::api_versions::ApiVersionsRequest;
use wire::{ApiKey, Decode, Reader, Request, VersionRange};

/// No answer takes this long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// The version of ApiVersions that every broker answers.
const API_VERSIONS_VERSION: i16 = 0;

/// A connection and what its broker serves.
pub(crate) struct Connection {
    stream: TcpStream,
    next_correlation_id: i32,
    served: BTreeMap<i16, VersionRange>,
}

/// A request that was sent and not yet answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) correlation_id: i32,
    key: ApiKey,
    version: i16,
}

/// The bytes of an answer, behind its header.
pub(crate) struct Answer {
    frame: Vec<u8>,
    body_at: usize,
    version: i16,
}

impl Answer {
    /// The answer read as what `R` asked for.
    pub(crate) fn read<R: Request>(&self) -> R::Response<'_> {
        R::Response::decode_all(&self.frame[self.body_at..], self.version).unwrap()
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    /// A connection whose broker has answered a first question.
    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self {
            stream,
            next_correlation_id: 1,
            served: BTreeMap::new(),
        };
        let question = ApiVersionsRequest::default();
        let sent = connection.try_send(API_VERSIONS_VERSION, &question)?;
        let answer = connection.try_receive(sent)?;
        let versions = answer.read::<ApiVersionsRequest<'_>>();
        assert_eq!(versions.error_code, 0);
        for api in &versions.api_keys {
            let (min, max) = (api.min_version, api.max_version);
            connection
                .served
                .insert(api.api_key, VersionRange { min, max });
        }
        Ok(connection)
    }

    /// The versions of `R` that both sides know.
    pub(crate) fn versions<R: Request>(&self) -> VersionRange {
        let known = R::KEY.entry();
        let served = self.served.get(&R::KEY.code());
        let served = served.unwrap_or_else(|| panic!("{} is not served", known.name));
        VersionRange {
            min: served.min.max(known.versions.min),
            max: served.max.min(known.stable_max()),
        }
    }

    pub(crate) fn newest<R: Request>(&self) -> i16 {
        self.versions::<R>().max
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> Sent {
        self.try_send(version, request).unwrap()
    }

    pub(crate) fn receive(&mut self, sent: Sent) -> Answer {
        self.try_receive(sent).unwrap()
    }

    /// Asks and waits for the answer.
    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> Answer {
        let sent = self.send(version, request);
        self.receive(sent)
    }

    /// Asks in the newest version that both know.
    pub(crate) fn ask<R: Request>(&mut self, request: &R) -> Answer {
        self.call(self.newest::<R>(), request)
    }

    pub(crate) fn try_send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<Sent> {
        let sent = self.next::<R>(version);
        let frame = frame(sent, request);
        self.stream.write_all(&frame)?;
        Ok(sent)
    }

    /// The frame of a request that the caller sends itself, with [`Self::send_bytes`].
    pub(crate) fn prepare<R: Request>(&mut self, version: i16, request: &R) -> (Sent, Vec<u8>) {
        let sent = self.next::<R>(version);
        (sent, frame(sent, request))
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn try_receive(&mut self, sent: Sent) -> io::Result<Answer> {
        let frame = self.receive_frame()?;
        let mut reader = Reader::new(&frame);
        let header = wire::decode_response_header(&mut reader, sent.key, sent.version)
            .map_err(io::Error::other)?;
        assert_eq!(
            header.correlation_id, sent.correlation_id,
            "answers keep the order"
        );
        let body_at = reader.position();
        Ok(Answer {
            frame,
            body_at,
            version: sent.version,
        })
    }

    /// The bytes of one frame behind its length.
    pub(crate) fn receive_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0_u8; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
        let mut frame = vec![0_u8; length];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    fn next<R: Request>(&mut self, version: i16) -> Sent {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        Sent {
            correlation_id,
            key: R::KEY,
            version,
        }
    }
}

fn frame<R: Request>(sent: Sent, request: &R) -> Vec<u8> {
    let encoded =
        wire::encode_request(sent.correlation_id, Some("it"), sent.version, request).unwrap();
    encoded
        .into_bytes()
        .expect("requests of tests carry their records themselves")
}
