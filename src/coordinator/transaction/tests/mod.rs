//! Tests of transactions: Kafka's own records, transcripts for people, a simulation for the rest.

mod client;
mod kafka;
mod partitions;
mod render;
mod simulation;
mod stories;
mod transcripts;
mod watch;
mod world;
