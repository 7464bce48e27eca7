//! The client against brokers that behave badly, in a simulated world; what it leaves out of an answer.

mod committed;
mod connection;
mod fake_broker;
mod producer;
mod transactions;
