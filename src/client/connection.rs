//! One connection to one broker: requests go out in order, answers come back in that order, and
//! many may be under way at once.
//!
//! Lifecycle: `open` connects and asks for the broker's versions; three tasks then live as long
//! as the connection: one writes what was queued, one reads answers, one watches their deadlines.
//! The first failure of any of them fails every request that waits, and all that come later.
//! Dropping the last handle closes the socket, which ends the tasks.
//!
//! Invariants: at most `in_flight_max` requests wait for an answer when callers go through
//! [`Connection::ready`]; an answer belongs to the oldest request that waits, or the connection
//! fails.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use base::ErrorCode;
use reactor::{Bytes, Core, Replier, Reply, Signal, Socket, reply};
use wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{
    ApiKey, Decode, Encoded, Piece, Reader, Request, VersionRange, WireError,
    decode_response_header, encode_request,
};

use crate::error::ClientError;
use crate::incoming::{BadLength, Incoming};
use crate::options::Options;
use crate::timeout::within;
use crate::versions::Versions;

/// How often deadlines are looked at: late by a quarter of a second is soon enough for a timeout.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// How much is handed to the socket in one write.
const WRITE_BYTES: usize = 1 << 20;

/// An open connection. Cheap to clone; closed when the last clone is gone.
#[derive(Clone)]
pub struct Connection {
    shared: Rc<Shared>,
    _closer: Rc<Closer>,
}

/// What the handles and the three tasks share.
struct Shared {
    core: Core,
    peer: String,
    client_id: String,
    socket: Socket,
    in_flight_max: usize,
    queued_bytes_max: usize,
    state: RefCell<State>,
    /// Something was queued, or the connection failed.
    outgoing: Signal,
    /// A request was answered or written, or the connection failed.
    relieved: Signal,
}

#[derive(Default)]
struct State {
    versions: Versions,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    waiting: VecDeque<Waiting>,
    correlation_id: i32,
    failure: Option<ClientError>,
}

/// A request whose answer is to come.
struct Waiting {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    allowed: Duration,
    deadline: Duration,
    replier: Replier<Result<Answer, ClientError>>,
}

/// Closes the socket when the last handle goes.
struct Closer {
    shared: Rc<Shared>,
}

/// The bytes of an answer and what is needed to read them.
#[derive(Debug)]
pub struct Answer {
    bytes: Bytes,
    api: ApiKey,
    version: i16,
    peer: String,
}

/// An answer that is to come.
pub struct Pending {
    reply: Reply<Result<Answer, ClientError>>,
    peer: String,
}

impl Connection {
    /// Whether both are handles of one connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// Connects and agrees on versions. `peer` is the address as people know it.
    ///
    /// # Errors
    /// When nobody answers there within the time allowed, or not as a Kafka broker does.
    pub async fn open(
        core: &Core,
        address: SocketAddr,
        peer: &str,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let connected = within(core, options.connect_timeout, core.connect(address)).await;
        let socket = match connected {
            Some(Ok(socket)) => socket,
            Some(Err(source)) => {
                return Err(ClientError::Unreachable {
                    peer: peer.to_owned(),
                    source,
                });
            }
            None => return Err(timed_out(peer, "a connection", options.connect_timeout)),
        };
        let shared = Rc::new(Shared {
            core: core.clone(),
            peer: peer.to_owned(),
            client_id: options.client_id.clone(),
            socket,
            in_flight_max: options.in_flight_max.max(1),
            queued_bytes_max: options.queued_bytes_max,
            state: RefCell::default(),
            outgoing: Signal::new(),
            relieved: Signal::new(),
        });
        core.spawn(write_requests(Rc::clone(&shared)));
        core.spawn(read_answers(Rc::clone(&shared), options.frame_bytes_max));
        core.spawn(watch_deadlines(Rc::clone(&shared)));
        let closer = Rc::new(Closer {
            shared: Rc::clone(&shared),
        });
        let connection = Self {
            shared,
            _closer: closer,
        };
        connection.negotiate(options).await?;
        Ok(connection)
    }

    /// The broker's address as people know it.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }

    /// True once the connection has failed; every further request fails with the same error.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.state.borrow().failure.is_some()
    }

    /// The version of `api` that this connection uses.
    ///
    /// # Errors
    /// When the broker serves none that this client knows.
    pub fn version(&self, api: ApiKey) -> Result<i16, ClientError> {
        self.shared
            .state
            .borrow()
            .versions
            .pick(api)
            .map_err(|none| {
                let (peer, ours) = (self.shared.peer.clone(), none.ours);
                ClientError::NoCommonVersion {
                    peer,
                    api,
                    theirs: none.theirs,
                    ours,
                }
            })
    }

    /// Waits until another request may be started without exceeding what may be under way.
    pub async fn ready(&self) {
        while self.shared.is_full() {
            self.shared.relieved.wait().await;
        }
    }

    /// Sends a request at the version agreed on, and waits for its answer.
    ///
    /// # Errors
    /// When the connection fails or the answer does not come within `allowed`.
    pub async fn call<R: Request>(
        &self,
        request: &R,
        allowed: Duration,
    ) -> Result<Answer, ClientError> {
        let version = self.version(R::KEY)?;
        self.ready().await;
        self.start(request, version, &[], allowed)?.await
    }

    /// Queues a request; its answer is awaited apart from it. `externals` are the bytes that the
    /// request's external records stand for, by their token.
    ///
    /// # Errors
    /// When the connection has failed, or `version` cannot carry the request.
    pub fn start<R: Request>(
        &self,
        request: &R,
        version: i16,
        externals: &[Bytes],
        allowed: Duration,
    ) -> Result<Pending, ClientError> {
        let (replier, reply) = reply();
        let correlation_id = self.queue(request, version, externals)?;
        let deadline = self.shared.core.now() + allowed;
        self.shared.state.borrow_mut().waiting.push_back(Waiting {
            correlation_id,
            api: R::KEY,
            version,
            allowed,
            deadline,
            replier,
        });
        Ok(Pending {
            reply,
            peer: self.shared.peer.clone(),
        })
    }

    /// Queues a request that the broker does not answer: a produce with `acks=0`.
    ///
    /// # Errors
    /// As [`Connection::start`].
    pub fn start_unanswered<R: Request>(
        &self,
        request: &R,
        version: i16,
        externals: &[Bytes],
    ) -> Result<(), ClientError> {
        self.queue(request, version, externals).map(|_| ())
    }

    /// Waits until everything queued so far was handed to the system.
    ///
    /// # Errors
    /// When the connection fails before that.
    pub async fn written(&self) -> Result<(), ClientError> {
        while self.shared.state.borrow().queued_bytes > 0 {
            self.shared.alive()?;
            self.shared.relieved.wait().await;
        }
        self.shared.alive()
    }

    fn queue<R: Request>(
        &self,
        request: &R,
        version: i16,
        externals: &[Bytes],
    ) -> Result<i32, ClientError> {
        self.shared.alive()?;
        let mut state = self.shared.state.borrow_mut();
        let correlation_id = state.correlation_id;
        state.correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        let client_id = Some(self.shared.client_id.as_str());
        let encoded = encode_request(correlation_id, client_id, version, request)
            .map_err(|source| self.shared.garbled(source))?;
        state.queued_bytes += encoded.len();
        state.queue.extend(spliced(encoded, externals));
        drop(state);
        self.shared.outgoing.notify();
        Ok(correlation_id)
    }

    /// Asks for the broker's versions, at the highest version first; a broker that does not know
    /// that one answers at version 0 with what it does know (KIP-511).
    async fn negotiate(&self, options: &Options) -> Result<(), ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "forebay".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        let mut version = ApiKey::ApiVersions.entry().stable_max();
        loop {
            let pending = self.start(&request, version, &[], options.connect_timeout)?;
            let mut answer = pending.await?;
            let refused = answer.first_code() == Some(ErrorCode::UnsupportedVersion);
            if refused {
                answer.version = 0;
            }
            let response: ApiVersionsResponse<'_> = answer.decode()?;
            let versions = collect(&response);
            if !refused {
                if response.error_code != ErrorCode::None.code() {
                    return Err(self.refused("ApiVersions", response.error_code));
                }
                self.shared.state.borrow_mut().versions = versions;
                return Ok(());
            }
            let known = versions.pick(ApiKey::ApiVersions).unwrap_or(0);
            if known >= version {
                return Err(self.refused("ApiVersions", ErrorCode::UnsupportedVersion.code()));
            }
            version = known;
        }
    }

    fn refused(&self, subject: &str, code: i16) -> ClientError {
        let code = ErrorCode::from_code(code);
        let subject = format!("{subject} at {}", self.shared.peer);
        ClientError::Refused {
            subject,
            code,
            message: None,
        }
    }
}

impl Answer {
    /// The response, which borrows from this answer.
    ///
    /// # Errors
    /// When the bytes are not that response at the version asked for.
    pub fn decode<'a, T: Decode<'a>>(&'a self) -> Result<T, ClientError> {
        self.try_decode().map_err(|source| {
            let peer = self.peer.clone();
            ClientError::Garbled { peer, source }
        })
    }

    /// A part of the answer that outlives it, such as fetched records: `part` must be a slice
    /// that was borrowed from this answer.
    #[must_use]
    pub fn keep(&self, part: &[u8]) -> Bytes {
        let start = part
            .as_ptr()
            .addr()
            .wrapping_sub(self.bytes.as_ptr().addr());
        let is_inside = start
            .checked_add(part.len())
            .is_some_and(|end| end <= self.bytes.len());
        if part.is_empty() {
            return Bytes::default();
        }
        assert!(is_inside, "a part of another answer");
        self.bytes.slice(start..start + part.len())
    }

    fn try_decode<'a, T: Decode<'a>>(&'a self) -> Result<T, WireError> {
        let mut reader = Reader::new(&self.bytes);
        decode_response_header(&mut reader, self.api, self.version)?;
        let message = T::decode(&mut reader, self.version)?;
        reader.finish()?;
        Ok(message)
    }

    /// The error code of an ApiVersions answer, which stands first in all its versions.
    fn first_code(&self) -> Option<ErrorCode> {
        let (_, body) = self.bytes.split_first_chunk::<4>()?;
        let code = body.first_chunk::<2>()?;
        Some(ErrorCode::from_code(i16::from_be_bytes(*code)))
    }
}

/// Ends with the answer, or with an error when the connection fails first or the time allowed has
/// passed.
impl Future for Pending {
    type Output = Result<Answer, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = Pin::new(&mut self.reply).poll(context);
        answered.map(|answer| match answer {
            Ok(result) => result,
            Err(_gone) => Err(closed(&self.peer, "the connection was dropped")),
        })
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        let state = self.state.borrow();
        state.failure.is_none()
            && (state.waiting.len() >= self.in_flight_max
                || state.queued_bytes >= self.queued_bytes_max)
    }

    fn alive(&self) -> Result<(), ClientError> {
        self.state.borrow().failure.clone().map_or(Ok(()), Err)
    }

    fn garbled(&self, source: WireError) -> ClientError {
        ClientError::Garbled {
            peer: self.peer.clone(),
            source,
        }
    }

    /// Ends the connection: the first error is what everyone is told.
    fn fail(&self, error: ClientError) {
        let waiting = {
            let mut state = self.state.borrow_mut();
            let error = state.failure.get_or_insert(error).clone();
            state.queue.clear();
            state.queued_bytes = 0;
            let waiting = std::mem::take(&mut state.waiting);
            waiting
                .into_iter()
                .map(move |waiting| (waiting.replier, error.clone()))
        };
        self.socket.close();
        for (replier, error) in waiting {
            replier.send(Err(error));
        }
        self.outgoing.notify();
        self.relieved.notify();
    }

    /// Gives an answer to the request that it belongs to.
    fn deliver(&self, bytes: Bytes) -> Result<(), ClientError> {
        let claimed = bytes.first_chunk::<4>().map(|id| i32::from_be_bytes(*id));
        let oldest = self.state.borrow_mut().waiting.pop_front();
        let Some(waiting) = oldest.filter(|waiting| Some(waiting.correlation_id) == claimed) else {
            return Err(ClientError::Unexpected {
                peer: self.peer.clone(),
                detail: format!("an answer with correlation id {claimed:?} out of order"),
            });
        };
        let Waiting {
            api,
            version,
            replier,
            ..
        } = waiting;
        replier.send(Ok(Answer {
            bytes,
            api,
            version,
            peer: self.peer.clone(),
        }));
        self.relieved.notify();
        Ok(())
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.shared
            .fail(closed(&self.shared.peer, "this client closed it"));
    }
}

async fn write_requests(shared: Rc<Shared>) {
    let mut pieces = Vec::new();
    while shared.alive().is_ok() {
        pieces.clear();
        let bytes = take_queued(&shared, &mut pieces);
        if pieces.is_empty() {
            shared.outgoing.wait().await;
            continue;
        }
        if let Err(error) = shared.socket.write(&pieces).await {
            return shared.fail(closed(&shared.peer, &error.detail));
        }
        let mut state = shared.state.borrow_mut();
        state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
        drop(state);
        shared.relieved.notify();
    }
}

/// Moves what goes into one write from the queue to `pieces`; gives its bytes.
fn take_queued(shared: &Shared, pieces: &mut Vec<Bytes>) -> usize {
    let mut state = shared.state.borrow_mut();
    let mut bytes = 0;
    while bytes < WRITE_BYTES {
        let Some(piece) = state.queue.pop_front() else {
            break;
        };
        bytes += piece.len();
        pieces.push(piece);
    }
    bytes
}

async fn read_answers(shared: Rc<Shared>, frame_bytes_max: usize) {
    let error = match receive_all(&shared, frame_bytes_max).await {
        Ok(never) => match never {},
        Err(error) => error,
    };
    shared.fail(error);
}

async fn receive_all(
    shared: &Shared,
    frame_bytes_max: usize,
) -> Result<std::convert::Infallible, ClientError> {
    let bad_length = |BadLength(length): BadLength| ClientError::Unexpected {
        peer: shared.peer.clone(),
        detail: format!("an answer of {length} bytes; {frame_bytes_max} are allowed"),
    };
    let mut incoming = Incoming::new(&shared.core, frame_bytes_max).await;
    loop {
        while let Some(frame) = incoming.next_frame().map_err(bad_length)? {
            shared.deliver(frame)?;
        }
        let (buffer, spare) = incoming.space(&shared.core).await.map_err(bad_length)?;
        match shared.socket.read(buffer, spare).await {
            Ok(0) => return Err(closed(&shared.peer, "the broker closed it")),
            Ok(_) => {}
            Err(error) => return Err(closed(&shared.peer, &error.detail)),
        }
    }
}

async fn watch_deadlines(shared: Rc<Shared>) {
    while shared.alive().is_ok() {
        let now = shared.core.now();
        let overdue = {
            let state = shared.state.borrow();
            let late = state.waiting.iter().find(|waiting| waiting.deadline <= now);
            late.map(|waiting| (waiting.api.entry().name, waiting.allowed))
        };
        if let Some((api, allowed)) = overdue {
            // Answers come in order, so what waits behind this one cannot come either.
            return shared.fail(timed_out(&shared.peer, api, allowed));
        }
        shared.core.sleep(WATCH_INTERVAL).await;
    }
}

/// The frame's own bytes with the external ones in their places.
fn spliced(encoded: Encoded, externals: &[Bytes]) -> Vec<Bytes> {
    let (bytes, pieces) = encoded.into_parts();
    let own = Bytes::from(bytes);
    let splice = |piece| match piece {
        Piece::Bytes(range) => own.slice(range),
        Piece::External { token, length } => {
            let external = externals
                .get(base::usize_from_u32(token))
                .cloned()
                .unwrap_or_default();
            assert!(
                external.len() == base::usize_from_u32(length),
                "the bytes that were counted"
            );
            external
        }
    };
    pieces.into_iter().map(splice).collect()
}

fn collect(response: &ApiVersionsResponse<'_>) -> Versions {
    let mut versions = Versions::default();
    for api in &response.api_keys {
        let range = VersionRange {
            min: api.min_version,
            max: api.max_version,
        };
        versions.insert(api.api_key, range);
    }
    versions
}

fn closed(peer: &str, detail: &str) -> ClientError {
    ClientError::Closed {
        peer: peer.to_owned(),
        detail: detail.to_owned(),
    }
}

fn timed_out(peer: &str, api: &'static str, after: Duration) -> ClientError {
    ClientError::TimedOut {
        peer: peer.to_owned(),
        api,
        after,
    }
}
