//! One connection's life: a task that reads and dispatches, a task that answers in order.
//!
//! The two meet in a queue of answers. Dispatching a request starts its work (an append is placed
//! in its log before the next frame is looked at); awaiting its answer is the writer's business.
//! What the queue may hold is bounded by the bytes of the requests in it: past that the reader
//! stops reading and TCP tells the client.
//!
//! A client that has hung up is not waited for: answers that are not there soon after are given
//! up, which a JoinGroup that waits for a rebalance could hold for minutes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Bytes, First, Signal, Socket, first};

use crate::answer::{Answer, Part, Response};
use crate::context::{Connection, Context};
use crate::frame::{FrameError, FrameReader};
use crate::table;

/// Responses that are ready together leave in one vectored write of at most this many parts.
const WRITE_PARTS_MAX: usize = 64;

/// After the last request of a client that hangs up, its answers get this long: it may have closed
/// only its own direction.
const LAST_ANSWERS_GRACE: Duration = Duration::from_secs(5);

/// What the reader hands to the writer.
struct Queue {
    answers: RefCell<VecDeque<(Answer, usize)>>,
    /// Bytes of requests whose response was not written yet.
    in_flight_bytes: Cell<usize>,
    /// True once no further answer will be queued.
    ended: Cell<bool>,
    /// Notified when an answer is queued or the queue ended.
    queued: Signal,
    /// Notified when an answer was written.
    written: Signal,
    /// True once nobody waits for answers any more.
    given_up: Cell<bool>,
    /// Notified when that becomes true.
    giving_up: Signal,
}

/// Serves one connection until either side ends it. The reason is logged once.
pub(crate) async fn serve(context: Context, socket: Socket) {
    let queue = Rc::new(Queue {
        answers: RefCell::default(),
        in_flight_bytes: Cell::new(0),
        ended: Cell::new(false),
        queued: Signal::new(),
        written: Signal::new(),
        given_up: Cell::new(false),
        giving_up: Signal::new(),
    });
    let writer_done = Signal::new();
    let wait = writer_done.wait();
    let writing = Rc::clone(&queue);
    let writer_socket = socket.clone();
    let writer_connection = Rc::clone(&context.connection);
    context.core().clone().spawn(async move {
        write_answers(&writing, &writer_socket, &writer_connection).await;
        // A client that is gone for the writer is gone for the reader too.
        writer_socket.close();
        writing.ended.set(true);
        writing.answers.borrow_mut().clear();
        writing.written.notify();
        writer_done.notify();
    });
    let reason = read_requests(&context, &queue, &socket).await;
    if let Some(reason) = reason {
        tracing::info!(peer = %socket.peer(), %reason, "connection closed");
        context.counters().connections_refused.increment();
    }
    queue.ended.set(true);
    queue.queued.notify();
    let grace = context.core().sleep(LAST_ANSWERS_GRACE);
    let mut wait = std::pin::pin!(wait);
    if let First::Right(()) = first(wait.as_mut(), grace).await {
        queue.given_up.set(true);
        queue.giving_up.notify();
        wait.await;
    }
}

/// Reads until the peer ends (nothing) or must be ended (the reason).
async fn read_requests(context: &Context, queue: &Queue, socket: &Socket) -> Option<String> {
    let limits = context.limits();
    let mut frames = FrameReader::new(
        context.core().clone(),
        socket.clone(),
        limits.request_bytes_max,
    );
    let connection = Rc::clone(&context.connection);
    loop {
        while queue.in_flight_bytes.get() > limits.in_flight_bytes_max {
            let wait = queue.written.wait();
            if queue.ended.get() {
                return None;
            }
            wait.await;
        }
        let frame = match frames.next(|inside| connection.note_waiting(inside)).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return None,
            Err(FrameError::Io(error)) => {
                tracing::debug!(peer = %socket.peer(), %error, "connection ended");
                return connection.closed_because();
            }
            Err(error) => return Some(connection.closed_because().unwrap_or(error.to_string())),
        };
        connection.note_request();
        let len = frame.len();
        match table::dispatch(context, frame) {
            Answer::Close(reason) => return Some(reason),
            Answer::Silence => connection.note_responses(1),
            answer => queue.push(answer, len),
        }
        if queue.ended.get() {
            return connection.closed_because();
        }
    }
}

impl Queue {
    fn push(&self, answer: Answer, len: usize) {
        self.in_flight_bytes.set(self.in_flight_bytes.get() + len);
        self.answers.borrow_mut().push_back((answer, len));
        self.queued.notify();
    }

    /// The next answer, or nothing when the reader has ended and all were taken.
    async fn next(&self) -> Option<(Answer, usize)> {
        loop {
            let wait = self.queued.wait();
            if let Some(answer) = self.answers.borrow_mut().pop_front() {
                return Some(answer);
            }
            if self.ended.get() {
                return None;
            }
            wait.await;
        }
    }

    /// The next answer if its response is there already.
    fn next_ready(&self) -> Option<(Response, usize)> {
        let mut answers = self.answers.borrow_mut();
        if !matches!(answers.front(), Some((Answer::Now(_), _))) {
            return None;
        }
        match answers.pop_front() {
            Some((Answer::Now(response), len)) => Some((response, len)),
            _ => None,
        }
    }

    /// Ends when nobody waits for answers any more.
    async fn wait_given_up(&self) {
        loop {
            let wait = self.giving_up.wait();
            if self.given_up.get() {
                return;
            }
            wait.await;
        }
    }

    fn done(&self, len: usize) {
        let in_flight = self.in_flight_bytes.get();
        assert!(len <= in_flight, "more requests answered than were asked");
        self.in_flight_bytes.set(in_flight - len);
        self.written.notify();
    }
}

/// Writes answers in order until the queue ends or the peer is gone.
async fn write_answers(queue: &Queue, socket: &Socket, connection: &Connection) {
    while let Some((answer, len)) = queue.next().await {
        let mut done = len;
        let mut responses = 1;
        let mut parts = match answer {
            Answer::Now(response) => response,
            Answer::Later(response) => match first(response, queue.wait_given_up()).await {
                First::Left(Ok(response)) => response,
                First::Left(Err(error)) => {
                    tracing::error!(peer = %socket.peer(), %error, "no response can be encoded");
                    return;
                }
                First::Right(()) => return,
            },
            Answer::Silence | Answer::Close(_) => continue,
        };
        while parts.len() < WRITE_PARTS_MAX {
            let Some((more, len)) = queue.next_ready() else {
                break;
            };
            parts.extend(more);
            done += len;
            responses += 1;
        }
        if let Err(error) = write_parts(socket, parts).await {
            tracing::debug!(peer = %socket.peer(), %error, "response not delivered");
            return;
        }
        connection.note_responses(responses);
        queue.done(done);
    }
}

/// Sends memory vectored and files by `send_file`, in order.
async fn write_parts(socket: &Socket, parts: Vec<Part>) -> Result<(), reactor::IoError> {
    let mut memory: Vec<Bytes> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Bytes(bytes) => memory.push(bytes),
            Part::File(range) => {
                socket.write(&memory).await?;
                memory.clear();
                socket.send_file(&range).await?;
            }
        }
    }
    socket.write(&memory).await
}
