//! The log engine on the simulated machine: round trips against a naive model, crashes, damage.

mod crashes;
mod damage;
mod kernel;
mod model;
mod round_trips;
mod units;
