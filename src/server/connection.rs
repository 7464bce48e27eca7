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
use crate::context::Context;
use crate::counters::{Row, Sent};
use crate::frame::{FrameError, FrameReader};
use crate::table;

/// Responses that are ready together leave in one vectored write of at most this many parts.
const WRITE_PARTS_MAX: usize = 64;

/// After the last request of a client that hangs up, its answers get this long: it may have closed
/// only its own direction.
const LAST_ANSWERS_GRACE: Duration = Duration::from_secs(5);

/// A request that was dispatched, for whoever waits for its answer.
#[derive(Clone, Copy)]
struct Asked {
    row: Row,
    len: usize,
    /// When it was there whole.
    at: Duration,
}

/// What the reader hands to the writer.
struct Queue {
    answers: RefCell<VecDeque<(Answer, Asked)>>,
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
    let writer_context = context.clone();
    context.core().clone().spawn(async move {
        write_answers(&writing, &writer_socket, &writer_context).await;
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
        let at = connection.note_request();
        let len = frame.len();
        match table::dispatch(context, frame) {
            (_, Answer::Close(reason)) => return Some(reason),
            (row, Answer::Silence) => {
                connection.note_responses(1);
                context.counters().note_silence(row, len);
            }
            (row, answer) => queue.push(answer, Asked { row, len, at }),
        }
        if queue.ended.get() {
            return connection.closed_because();
        }
    }
}

impl Queue {
    fn push(&self, answer: Answer, asked: Asked) {
        let in_flight = self.in_flight_bytes.get() + asked.len;
        self.in_flight_bytes.set(in_flight);
        self.answers.borrow_mut().push_back((answer, asked));
        self.queued.notify();
    }

    /// The next answer, or nothing when the reader has ended and all were taken.
    async fn next(&self) -> Option<(Answer, Asked)> {
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
    fn next_ready(&self) -> Option<(Response, Asked)> {
        let mut answers = self.answers.borrow_mut();
        if !matches!(answers.front(), Some((Answer::Now(_), _))) {
            return None;
        }
        match answers.pop_front() {
            Some((Answer::Now(response), asked)) => Some((response, asked)),
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
async fn write_answers(queue: &Queue, socket: &Socket, context: &Context) {
    // Kept from one write to the next, so that writing takes no memory.
    let mut sent: Vec<(Asked, Sent)> = Vec::new();
    while let Some((answer, asked)) = queue.next().await {
        let response = match answer {
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
        sent.push((asked, unsent(&response.parts, response.errors)));
        let mut parts = response.parts;
        while parts.len() < WRITE_PARTS_MAX {
            let Some((more, asked)) = queue.next_ready() else {
                break;
            };
            sent.push((asked, unsent(&more.parts, more.errors)));
            parts.extend(more.parts);
        }
        if let Err(error) = write_parts(socket, parts).await {
            tracing::debug!(peer = %socket.peer(), %error, "response not delivered");
            return;
        }
        let now = context.connection.note_responses(sent.len() as u64);
        for (asked, mut sent) in sent.drain(..) {
            sent.took = now.saturating_sub(asked.at);
            context.counters().note_sent(asked.row, asked.len, &sent);
            queue.done(asked.len);
        }
    }
}

/// A response that is about to leave, as it will be counted.
fn unsent(parts: &[Part], errors: Vec<i16>) -> Sent {
    Sent {
        bytes: parts.iter().map(Part::len).sum(),
        took: Duration::ZERO,
        errors,
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
