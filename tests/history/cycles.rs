//! Transactions that saw one another's writes in a circle (G1c): each would have to be committed
//! before the other.
//!
//! The edges are write-read edges of readers of committed records, from the transaction that wrote
//! a value to the one that saw it. Not among them, on purpose:
//! - write-write edges (who wrote into a partition before whom): Kafka isolates readers and not
//!   writers, so the writes of open transactions interleave and their order makes circles that are
//!   allowed (G0);
//! - read-write edges (who read before whom wrote): transactions read the end of a log as it is,
//!   and nobody promises that it stays so until they commit;
//! - the order of processes and of time: with it a circle has at least one read of a value before
//!   its sending or before the asking for its commit, and each such read is named for itself, in
//!   `values.rs`;
//! - reads of what was aborted or of one's own: these are faults for themselves;
//! - calls outside of transactions: a batch sees nothing and a poll writes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::anomaly::{Anomaly, Edge};
use crate::history::{Fate, History};
use crate::operation::{Isolation, Transaction};
use crate::values::Link;
use crate::versions::{Sighting, Versions, sightings};

/// Who saw whose writes, with one value for each pair.
type Graph<'history> = BTreeMap<Transaction, BTreeMap<Transaction, Sighting<'history>>>;

/// One circle for each knot of transactions, and all links inside the knots.
pub(crate) fn judge(history: &History, versions: &Versions<'_>) -> (Vec<Anomaly>, BTreeSet<Link>) {
    let graph = graph(history, versions);
    let mut anomalies = Vec::new();
    let mut circular = BTreeSet::new();
    for knot in knots(&graph) {
        for (writer, readers) in &graph {
            let inside = readers.keys().filter(|reader| knot.contains(reader));
            let links = inside.map(|reader| (*writer, *reader));
            circular.extend(links.filter(|(writer, _)| knot.contains(writer)));
        }
        anomalies.push(Anomaly::Cycle(shortest_circle(&graph, &knot)));
    }
    (anomalies, circular)
}

fn graph<'history>(history: &'history History, versions: &Versions<'history>) -> Graph<'history> {
    let mut graph = Graph::new();
    let committed = sightings(history).filter(|seen| seen.isolation == Isolation::ReadCommitted);
    for seen in committed {
        let Some(reader) = seen.poll.transaction else {
            continue;
        };
        let write = versions.writes.get(&seen.value);
        let Some(writer) = write.and_then(|write| write.call.transaction) else {
            continue;
        };
        if writer != reader && versions.fate(writer) != Fate::Aborted {
            graph
                .entry(writer)
                .or_default()
                .entry(reader)
                .or_insert(seen);
        }
    }
    graph
}

/// The strongly connected components with more than one transaction: Tarjan's algorithm, with a
/// stack of its own, since chains of transactions are as long as the run.
fn knots(graph: &Graph<'_>) -> Vec<BTreeSet<Transaction>> {
    let mut search = Search::default();
    for start in graph.keys() {
        if !search.numbers.contains_key(start) {
            search.run(graph, *start);
        }
    }
    search.knots
}

#[derive(Default)]
struct Search {
    /// The order in which transactions were found.
    numbers: BTreeMap<Transaction, usize>,
    /// The earliest one that can be reached and is still open.
    lowest: BTreeMap<Transaction, usize>,
    open: Vec<Transaction>,
    is_open: BTreeSet<Transaction>,
    knots: Vec<BTreeSet<Transaction>>,
}

impl Search {
    fn run(&mut self, graph: &Graph<'_>, start: Transaction) {
        let mut path = vec![(start, self.enter(graph, start))];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            match next.pop_front() {
                Some(reader) if !self.numbers.contains_key(&reader) => {
                    let readers = self.enter(graph, reader);
                    path.push((reader, readers));
                }
                Some(reader) => {
                    if self.is_open.contains(&reader) {
                        self.lower(node, self.numbers.get(&reader).copied());
                    }
                }
                None => {
                    path.pop();
                    self.leave(node);
                    if let Some((before, _)) = path.last() {
                        self.lower(*before, self.lowest.get(&node).copied());
                    }
                }
            }
        }
    }

    fn enter(&mut self, graph: &Graph<'_>, node: Transaction) -> VecDeque<Transaction> {
        let number = self.numbers.len();
        self.numbers.insert(node, number);
        self.lowest.insert(node, number);
        self.open.push(node);
        self.is_open.insert(node);
        let readers = graph.get(&node).map(BTreeMap::keys);
        readers.into_iter().flatten().copied().collect()
    }

    fn lower(&mut self, node: Transaction, to: Option<usize>) {
        if let (Some(lowest), Some(to)) = (self.lowest.get_mut(&node), to) {
            *lowest = (*lowest).min(to);
        }
    }

    fn leave(&mut self, node: Transaction) {
        if self.lowest.get(&node) != self.numbers.get(&node) {
            return;
        }
        let mut knot = BTreeSet::new();
        while let Some(member) = self.open.pop() {
            self.is_open.remove(&member);
            knot.insert(member);
            if member == node {
                break;
            }
        }
        if knot.len() > 1 {
            self.knots.push(knot);
        }
    }
}

/// The shortest way within the knot from its first transaction back to itself.
fn shortest_circle(graph: &Graph<'_>, knot: &BTreeSet<Transaction>) -> Vec<Edge> {
    let Some(start) = knot.first().copied() else {
        return Vec::new();
    };
    let mut came_from: BTreeMap<Transaction, Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(writer) = queue.pop_front() {
        for (reader, seen) in graph.get(&writer).into_iter().flatten() {
            if knot.contains(reader) && !came_from.contains_key(reader) {
                let edge = Edge {
                    writer,
                    reader: *reader,
                    seen: seen.report(),
                };
                came_from.insert(*reader, edge);
                queue.push_back(*reader);
            }
        }
    }
    let mut circle = Vec::new();
    let mut at = start;
    while let Some(edge) = came_from.remove(&at) {
        at = edge.writer;
        circle.push(edge);
        if at == start {
            break;
        }
    }
    circle.reverse();
    circle
}
