//! The stories that this room's tests guard, one file per subject. Files ending in `.tsv` are facts
//! observed at Apache Kafka 4.3.1 and at `java.util.Properties`.

mod describing;
mod features;
mod groups;
mod loading;
mod properties;
mod tables;
mod topics;
