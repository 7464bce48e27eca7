//! Partitions on the simulated machine, as producers and consumers meet them.

mod crashes;
mod node;
mod rules;
mod transactions;
mod turns;
