//! Tests of consumer groups: pieces by themselves, stories of whole groups, storms, and a
//! simulation for everything nobody thought of.

mod assignors;
mod migration;
mod regex;
mod simulation;
mod stories;
mod storms;
mod transcripts;
mod world;
