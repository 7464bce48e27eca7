//! Connections between simulated machines: byte streams that are late, cut, silent or half closed.
//!
//! A connection has two ends; bytes on their way to an end lie in its `coming` queue and arrive in
//! order, one delivery event each, whatever the delays drawn for them. A blocked link, a machine
//! without power or a silent connection makes deliveries wait and try again, until their sender
//! gives up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;
use std::time::Duration;

use base::{Random, usize_from_u64};

use super::disk::Refusal;
use super::executor::Process;
use super::faults::happens;
use super::timeline::{Event, nanoseconds};
use super::trace::Kind;
use super::universe::{Power, Universe};
use crate::IoErrorKind;

/// How long an undeliverable packet waits before it is sent again.
const RETRANSMIT_DELAY: Duration = Duration::from_millis(200);
/// How long its sender goes on with that before it gives the connection up.
const RETRANSMIT_TIME_MAX: Duration = Duration::from_secs(20);
/// The most bytes that travel in one piece.
const SEGMENT_LEN_MAX: usize = 64 << 10;
/// What fits between a writer and a reader that does not read.
const WINDOW: usize = 256 << 10;
/// The first port that is given to those who did not ask for one.
const PORT_FIRST: u16 = 32_768;

/// What travels.
#[derive(Debug)]
enum Segment {
    Data(Vec<u8>),
    /// The sender will send no more.
    End,
    /// The sender knows nothing of this connection any more.
    Reset,
}

/// How an end stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Waiting for the answer to a request to connect.
    Connecting,
    /// Connected.
    Open,
    /// Closed by its own process.
    Closed,
    /// Ended from outside, for this reason.
    Broken(Refusal),
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    process: Process,
    address: SocketAddr,
    standing: Standing,
    coming: VecDeque<Segment>,
    coming_len: usize,
    coming_until_ns: u64,
    /// Since when nothing that this end sends gets through.
    stuck_since_ns: Option<u64>,
    arrived: VecDeque<u8>,
    /// The other end has said that it sends no more.
    peer_ended: bool,
    /// This end cannot send any more, though it may read.
    write_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl End {
    fn new(process: Process, address: SocketAddr, standing: Standing) -> Self {
        Self {
            process,
            address,
            standing,
            coming: VecDeque::new(),
            coming_len: 0,
            coming_until_ns: 0,
            stuck_since_ns: None,
            arrived: VecDeque::new(),
            peer_ended: false,
            write_ended: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }

    fn finish(&mut self, standing: Standing) {
        if matches!(self.standing, Standing::Connecting | Standing::Open) {
            self.standing = standing;
        }
        self.wake();
    }
}

#[derive(Debug)]
struct Connection {
    ends: [End; 2],
    window: usize,
    silent: bool,
    /// Ends whose process still holds a socket.
    held: [bool; 2],
    /// Where the request to connect is on its way to.
    dialled: SocketAddr,
}

/// A socket that accepts.
#[derive(Debug)]
struct Listening {
    process: Process,
    address: SocketAddr,
    backlog: VecDeque<u64>,
    acceptor: Option<Waker>,
}

/// What reading found.
pub(super) enum Readable {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The end.
    End,
    /// Nothing yet.
    Nothing,
    /// The connection is broken.
    Broken(Refusal),
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Network {
    connections: BTreeMap<u64, Connection>,
    listening: BTreeMap<u64, Listening>,
    /// Directions in which nothing gets through.
    blocked: BTreeSet<(usize, usize)>,
    random: Random,
    numbers: u64,
    ports: BTreeMap<usize, u16>,
}

const RESET: Refusal = Refusal::new(IoErrorKind::Closed, "Connection reset by peer");
const BROKEN_PIPE: Refusal = Refusal::new(IoErrorKind::Closed, "Broken pipe");
const TIMED_OUT: Refusal = Refusal::new(IoErrorKind::TimedOut, "Connection timed out");
const REFUSED: Refusal = Refusal::new(IoErrorKind::Refused, "Connection refused");

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            connections: BTreeMap::new(),
            listening: BTreeMap::new(),
            blocked: BTreeSet::new(),
            random: Random::salted(seed, 2),
            numbers: 0,
            ports: BTreeMap::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn port(&mut self, node: usize) -> u16 {
        let next = self.ports.entry(node).or_insert(PORT_FIRST);
        let port = *next;
        *next = port.checked_add(1).unwrap_or(PORT_FIRST);
        port
    }

    /// Lets nothing through from one machine to another, or opens that way again.
    pub(super) fn set_blocked(&mut self, from: usize, to: usize, blocked: bool) {
        if blocked {
            self.blocked.insert((from, to));
        } else {
            self.blocked.remove(&(from, to));
        }
    }

    /// Opens every way.
    pub(super) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    /// Starts to listen; port zero asks for any.
    pub(super) fn listen(&mut self, process: Process, address: SocketAddr) -> (u64, SocketAddr) {
        let mut address = address;
        if address.port() == 0 {
            address.set_port(self.port(process.node));
        }
        let number = self.number();
        let listening = Listening {
            process,
            address,
            backlog: VecDeque::new(),
            acceptor: None,
        };
        self.listening.insert(number, listening);
        (number, address)
    }

    /// Stops listening; connections nobody accepted are reset.
    pub(super) fn stop_listening(&mut self, universe: &Universe, listener: u64) {
        let Some(listening) = self.listening.remove(&listener) else {
            return;
        };
        for connection in listening.backlog {
            self.send(universe, connection, 1, Segment::Reset);
            if let Some(end) = self.end(connection, 1) {
                end.finish(Standing::Closed);
            }
            self.release(connection, 1);
        }
    }

    /// The next connection that waits at a listener, else remembers who asks.
    pub(super) fn accept(&mut self, listener: u64, waker: &Waker) -> Option<u64> {
        let listening = self.listening.get_mut(&listener)?;
        let connection = listening.backlog.pop_front();
        if connection.is_none() {
            listening.acceptor = Some(waker.clone());
        }
        connection
    }

    /// Sends a request to connect.
    pub(super) fn dial(
        &mut self,
        universe: &Universe,
        process: Process,
        own: IpAddr,
        dialled: SocketAddr,
    ) -> u64 {
        let number = self.number();
        let own = if dialled.ip().is_loopback() {
            dialled.ip()
        } else {
            own
        };
        let address = SocketAddr::new(own, self.port(process.node));
        let near = End::new(process, address, Standing::Connecting);
        let nobody = Process {
            node: usize::MAX,
            incarnation: 0,
        };
        let far = End::new(nobody, dialled, Standing::Connecting);
        let window = if universe.faults.borrow().partial_transfers {
            1024 << self.random.below(9)
        } else {
            WINDOW
        };
        let connection = Connection {
            ends: [near, far],
            window,
            silent: false,
            held: [true, false],
            dialled,
        };
        self.connections.insert(number, connection);
        let at_ns = self.travel(universe);
        universe
            .timeline
            .plan(at_ns, Event::Arrive { connection: number });
        number
    }

    /// When something sent now arrives.
    fn travel(&mut self, universe: &Universe) -> u64 {
        let delay = universe.faults.borrow().network_delay(&mut self.random);
        universe.timeline.now_ns() + nanoseconds(delay)
    }

    /// A request to connect arrives, is refused, or is lost and tried again.
    pub(super) fn arrive(&mut self, universe: &Universe, number: u64) {
        universe.record(Kind::Network, number, 1);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let (dialled, from) = (connection.dialled, connection.ends[0].process);
        if connection.ends[0].standing != Standing::Connecting {
            self.forget_if_done(number);
            return;
        }
        let target = target_of(universe, from.node, dialled.ip());
        let reachable = target.filter(|(node, power)| {
            *power != Power::Off
                && !self.blocked.contains(&(from.node, *node))
                && !self.blocked.contains(&(*node, from.node))
        });
        let Some((node, _)) = reachable else {
            self.retransmit(universe, number, 0, Event::Arrive { connection: number });
            return;
        };
        let listeners = self.listening.iter().filter(|(_, listening)| {
            let ip = listening.address.ip();
            listening.process.node == node
                && listening.address.port() == dialled.port()
                && (ip.is_unspecified() || ip == dialled.ip())
        });
        let listeners: Vec<u64> = listeners.map(|(listener, _)| *listener).collect();
        let chosen = usize_from_u64(self.random.below(listeners.len().max(1) as u64));
        let listening = listeners
            .get(chosen)
            .and_then(|listener| self.listening.get_mut(listener));
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let [near, far] = &mut connection.ends;
        let Some(listening) = listening else {
            near.finish(Standing::Broken(REFUSED));
            return;
        };
        near.stuck_since_ns = None;
        near.standing = Standing::Open;
        near.wake();
        far.process = listening.process;
        far.standing = Standing::Open;
        connection.held[1] = true;
        listening.backlog.push_back(number);
        if let Some(acceptor) = listening.acceptor.take() {
            acceptor.wake();
        }
    }

    /// Tries `event` again later, or breaks the connection for the end that waits for it.
    fn retransmit(&mut self, universe: &Universe, number: u64, sender: usize, event: Event) {
        let now_ns = universe.timeline.now_ns();
        let Some(end) = self.end(number, sender) else {
            return;
        };
        let stuck_since_ns = *end.stuck_since_ns.get_or_insert(now_ns);
        if now_ns - stuck_since_ns < nanoseconds(RETRANSMIT_TIME_MAX) {
            universe
                .timeline
                .plan(now_ns + nanoseconds(RETRANSMIT_DELAY), event);
            return;
        }
        end.finish(Standing::Broken(TIMED_OUT));
        self.lose_coming(number, 1 - sender, 0);
        self.forget_if_done(number);
    }

    fn end(&mut self, connection: u64, end: usize) -> Option<&mut End> {
        self.connections.get_mut(&connection)?.ends.get_mut(end)
    }

    /// How one end stands; remembers who asks.
    pub(super) fn standing(&mut self, connection: u64, end: usize, waker: &Waker) -> Standing {
        match self.end(connection, end) {
            Some(end) => {
                end.writer = Some(waker.clone());
                end.standing
            }
            None => Standing::Closed,
        }
    }

    /// The addresses of one end and of the other.
    pub(super) fn addresses(&mut self, connection: u64, end: usize) -> Option<[SocketAddr; 2]> {
        let own = self.end(connection, end)?.address;
        let peer = self.end(connection, 1 - end)?.address;
        Some([own, peer])
    }

    /// What an end may read, at most `len_max` bytes; remembers who waits.
    pub(super) fn read(
        &mut self,
        universe: &Universe,
        (number, end): (u64, usize),
        len_max: usize,
        waker: &Waker,
    ) -> Readable {
        let partial = universe.faults.borrow().partial_transfers;
        let Some(own) = self
            .connections
            .get_mut(&number)
            .and_then(|found| found.ends.get_mut(end))
        else {
            return Readable::End;
        };
        if own.standing == Standing::Closed {
            return Readable::End;
        }
        let mut len = own.arrived.len().min(len_max);
        if len == 0 {
            return match own.standing {
                Standing::Broken(refusal) => Readable::Broken(refusal),
                _ if own.peer_ended => Readable::End,
                _ => {
                    own.reader = Some(waker.clone());
                    Readable::Nothing
                }
            };
        }
        if partial && self.random.chance(1, 2) {
            len = 1 + usize_from_u64(self.random.below(len as u64));
        }
        let bytes = own.arrived.drain(..len).collect();
        if let Some(writer) = self
            .end(number, 1 - end)
            .and_then(|peer| peer.writer.take())
        {
            writer.wake();
        }
        Readable::Bytes(bytes)
    }

    /// Takes bytes to send from the front of `bytes` and says how many; remembers who waits when
    /// that is none.
    pub(super) fn write(
        &mut self,
        universe: &Universe,
        (number, end): (u64, usize),
        bytes: &[u8],
        waker: &Waker,
    ) -> Result<usize, Refusal> {
        let Some(connection) = self.connections.get_mut(&number) else {
            return Err(BROKEN_PIPE);
        };
        let window = connection.window;
        let Some(peer) = connection.ends.get(1 - end) else {
            return Err(BROKEN_PIPE);
        };
        let room = window.saturating_sub(peer.coming_len + peer.arrived.len());
        let Some(own) = connection.ends.get_mut(end) else {
            return Err(BROKEN_PIPE);
        };
        match own.standing {
            Standing::Broken(refusal) => return Err(refusal),
            Standing::Closed => return Err(BROKEN_PIPE),
            _ if own.write_ended => return Err(BROKEN_PIPE),
            _ => {}
        }
        let mut len = bytes.len().min(room).min(SEGMENT_LEN_MAX);
        if len == 0 {
            own.writer = Some(waker.clone());
            return Ok(0);
        }
        if universe.faults.borrow().partial_transfers && self.random.chance(1, 2) {
            len = 1 + usize_from_u64(self.random.below(len as u64));
        }
        let piece = bytes.get(..len).unwrap_or(bytes).to_vec();
        self.send(universe, number, end, Segment::Data(piece));
        Ok(len)
    }

    /// Puts a segment on its way from `end` to the other end.
    fn send(&mut self, universe: &Universe, number: u64, end: usize, segment: Segment) {
        let at_ns = self.travel(universe);
        let Some(peer) = self.end(number, 1 - end) else {
            return;
        };
        if let Segment::Data(bytes) = &segment {
            peer.coming_len += bytes.len();
        }
        peer.coming.push_back(segment);
        peer.coming_until_ns = peer.coming_until_ns.max(at_ns);
        let at_ns = peer.coming_until_ns;
        universe.timeline.plan(
            at_ns,
            Event::Deliver {
                connection: number,
                end: 1 - end,
            },
        );
    }

    /// The oldest segment on its way to an end arrives, or does not get through and waits.
    pub(super) fn deliver(&mut self, universe: &Universe, number: u64, end: usize) {
        let Some(connection) = self.connections.get(&number) else {
            return;
        };
        let (Some(own), Some(peer)) = (connection.ends.get(end), connection.ends.get(1 - end))
        else {
            return;
        };
        let power = universe.machine(own.process.node, |machine| machine.power);
        let blocked = connection.silent
            || power.is_none_or(|power| power == Power::Off)
            || self
                .blocked
                .contains(&(peer.process.node, own.process.node));
        if blocked && !own.coming.is_empty() {
            self.retransmit(
                universe,
                number,
                1 - end,
                Event::Deliver {
                    connection: number,
                    end,
                },
            );
            return;
        }
        let alive = universe.lives(own.process) && own.standing == Standing::Open;
        if self.strike(universe, number, end) {
            return;
        }
        let Some(own) = self.end(number, end) else {
            return;
        };
        let Some(segment) = own.coming.pop_front() else {
            return;
        };
        let len = match &segment {
            Segment::Data(bytes) => bytes.len(),
            Segment::End | Segment::Reset => 0,
        };
        own.coming_len -= len;
        universe.record(Kind::Network, number << 1 | end as u64, len as u64);
        match segment {
            Segment::Data(_) if !alive => self.send(universe, number, end, Segment::Reset),
            Segment::Data(bytes) => own.arrived.extend(bytes),
            Segment::End => own.peer_ended = true,
            Segment::Reset => own.finish(Standing::Broken(RESET)),
        }
        if let Some(reader) = self.end(number, end).and_then(|own| own.reader.take()) {
            reader.wake();
        }
        if let Some(sender) = self.end(number, 1 - end) {
            sender.stuck_since_ns = None;
        }
        self.forget_if_done(number);
    }

    /// Lets a fault strike the connection in place of a delivery. True when it did.
    fn strike(&mut self, universe: &Universe, number: u64, end: usize) -> bool {
        let faults = universe.faults.borrow();
        let cut = happens(&mut self.random, faults.cut_per_million);
        let silenced = happens(&mut self.random, faults.silence_per_million);
        let half_closed = happens(&mut self.random, faults.half_close_per_million);
        if cut {
            self.cut(universe, number);
        } else if silenced {
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.silent = true;
            }
            self.retransmit(
                universe,
                number,
                1 - end,
                Event::Deliver {
                    connection: number,
                    end,
                },
            );
        } else if half_closed {
            self.half_close(number, end);
        }
        cut || silenced || half_closed
    }

    /// Both ends learn at once that the connection is gone.
    fn cut(&mut self, universe: &Universe, number: u64) {
        universe.record(Kind::Network, number, u64::MAX);
        universe.tell(|| format!("connection {number} is cut"));
        for end in 0..2 {
            if let Some(end) = self.end(number, end) {
                end.coming.clear();
                end.coming_len = 0;
                end.finish(Standing::Broken(RESET));
            }
        }
    }

    /// What is on its way to `end` is lost, it sees the end of its input, and the other end can
    /// send no more; the other direction works.
    fn half_close(&mut self, number: u64, end: usize) {
        if let Some(own) = self.end(number, end) {
            own.coming.clear();
            own.coming_len = 0;
            own.peer_ended = true;
            own.wake();
        }
        if let Some(peer) = self.end(number, 1 - end) {
            peer.write_ended = true;
            peer.wake();
        }
    }

    /// Resets every connection between two machines.
    pub(super) fn cut_between(&mut self, universe: &Universe, one: usize, other: usize) {
        for (number, _) in self.between(one, other) {
            self.cut(universe, number);
        }
    }

    /// Ends the direction `from` -> `to` of every connection between two machines.
    pub(super) fn half_close_between(&mut self, from: usize, to: usize) {
        for (number, end) in self.between(from, to) {
            self.half_close(number, end);
        }
    }

    /// The connections between two machines, with the end that lies at the second.
    fn between(&self, one: usize, other: usize) -> Vec<(u64, usize)> {
        let found = self.connections.iter().filter_map(|(number, connection)| {
            let [near, far] = &connection.ends;
            match (near.process.node, far.process.node) {
                nodes if nodes == (one, other) => Some((*number, 1)),
                nodes if nodes == (other, one) => Some((*number, 0)),
                _ => None,
            }
        });
        found.collect()
    }

    /// A process closes its end: orderly when it has read everything, else by a reset.
    pub(super) fn close(&mut self, universe: &Universe, number: u64, end: usize) {
        let Some(own) = self.end(number, end) else {
            return;
        };
        if own.standing == Standing::Open {
            let unread = !own.arrived.is_empty();
            own.arrived.clear();
            own.finish(Standing::Closed);
            self.send(
                universe,
                number,
                end,
                if unread { Segment::Reset } else { Segment::End },
            );
        } else {
            own.finish(Standing::Closed);
        }
    }

    /// A process drops its last socket of an end.
    pub(super) fn release(&mut self, number: u64, end: usize) {
        if let Some(connection) = self.connections.get_mut(&number)
            && let Some(held) = connection.held.get_mut(end)
        {
            *held = false;
        }
        self.forget_if_done(number);
    }

    fn forget_if_done(&mut self, number: u64) {
        let done = self.connections.get(&number).is_some_and(|connection| {
            let quiet = connection.ends.iter().all(|end| end.coming.is_empty());
            connection.held == [false, false] && quiet
        });
        if done {
            self.connections.remove(&number);
        }
    }

    /// A process died. Where its kernel lives on, that closes or resets what was open; without
    /// power, the other ends hear nothing, and what was on its way may still arrive.
    pub(super) fn process_gone(&mut self, universe: &Universe, node: usize, power: Power) {
        self.listening
            .retain(|_, listening| listening.process.node != node);
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            for end in 0..2 {
                let Some(own) = self.end(number, end) else {
                    continue;
                };
                if own.process.node != node || own.standing == Standing::Closed {
                    continue;
                }
                let was_open = own.standing == Standing::Open;
                own.standing = Standing::Closed;
                own.arrived.clear();
                if power == Power::Off {
                    let kept = self.random.below(4);
                    self.lose_coming(number, 1 - end, usize_from_u64(kept));
                } else if was_open {
                    let orderly = self.random.chance(1, 2);
                    let last = if orderly {
                        Segment::End
                    } else {
                        Segment::Reset
                    };
                    self.send(universe, number, end, last);
                }
                self.release(number, end);
            }
        }
    }

    fn lose_coming(&mut self, number: u64, end: usize, kept: usize) {
        if let Some(end) = self.end(number, end) {
            end.coming.truncate(kept);
            let lens = end.coming.iter().map(|segment| match segment {
                Segment::Data(bytes) => bytes.len(),
                Segment::End | Segment::Reset => 0,
            });
            end.coming_len = lens.sum();
        }
    }
}

/// The machine that has an address, seen from `from`.
fn target_of(universe: &Universe, from: usize, address: IpAddr) -> Option<(usize, Power)> {
    let machines = universe.machines.borrow();
    let found = machines.iter().enumerate().find(|(node, machine)| {
        machine.address == address || (address.is_loopback() && *node == from)
    });
    found.map(|(node, machine)| (node, machine.power))
}
