//! The client against brokers that behave badly, in a simulated world.

mod connection;
mod fake_broker;
mod producer;
mod transactions;
