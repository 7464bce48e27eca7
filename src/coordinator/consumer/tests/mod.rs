//! Tests of consumer groups.
