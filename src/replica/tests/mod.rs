//! The room's tests: Kafka's rules case by case, and random histories against naive models.

mod epochs_tests;
mod kafka_tests;
mod producers_tests;
mod replica_tests;
mod snapshot_tests;
mod transactions_tests;
mod verification_tests;
