//! The room's tests: Kafka's rules case by case, and random histories against naive models.

mod epochs_tests;
mod producers_tests;
mod replica_tests;
mod snapshot_tests;
