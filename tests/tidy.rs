//! The house rules that a machine can check; each test is one rule.
//!
//! A rule fails with the list of places that break it and says how to mend them. Exceptions stand
//! in `tidy/exceptions.rs`, each with its reason; an exception that is no longer needed is a
//! failure too, so that the list can only shrink.
//!
//! Only the standard library is used, and no other part of the product: this file judges the tree
//! as text and still runs when a room does not compile.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/exceptions.rs"]
mod exceptions;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/tree.rs"]
mod tree;

use tree::Tree;

/// Fails with every place that breaks the rule; `mend` says what to do about it.
fn expect_none(violations: &[String], mend: &str) {
    assert!(
        violations.is_empty(),
        "\n{} place(s) break this rule:\n  {}\nto mend: {mend}\n",
        violations.len(),
        violations.join("\n  ")
    );
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    expect_none(
        &arrows::outside_table(Tree::load()),
        "move the code down a layer, pass a value instead, or change the table in \
         tests/tidy/rooms.rs and ARCHITECTURE.md with a reason",
    );
}

#[test]
fn members_are_listed_bottom_layer_first() {
    expect_none(
        &arrows::member_order(Tree::load()),
        "sort `members` in Cargo.toml by the layers of tests/tidy/rooms.rs",
    );
}

#[test]
fn every_dependency_names_its_room_and_reason() {
    expect_none(
        &arrows::dependencies_without_reason(Tree::load()),
        "declare it once in [workspace.dependencies], with a comment on the same line or above \
         that names the room and the reason",
    );
}

#[test]
fn only_reactor_knows_the_kernel() {
    expect_none(
        &names::kernel_outside_reactor(Tree::load()),
        "ask `reactor` for it: Core has files, sockets, clocks and timers",
    );
}

#[test]
fn only_reactor_and_metrics_share_memory() {
    expect_none(
        &names::shared_memory(Tree::load()),
        "a core owns what it works on; send a value through reactor::mailbox",
    );
}

#[test]
fn pure_rooms_never_wait() {
    expect_none(
        &names::waiting_in_pure_rooms(Tree::load()),
        "pure rooms take state, input and time, and return a value or effects",
    );
}

#[test]
fn unsafe_lives_in_reactor() {
    expect_none(
        &names::unsafe_outside_reactor(Tree::load()),
        "move it into src/reactor, behind a safe function, with its safety sentence",
    );
}

#[test]
fn hash_maps_have_no_visible_order() {
    expect_none(
        &names::std_hash_maps(Tree::load()),
        "use BTreeMap or BTreeSet; where a bench asks for a hash map, one with a fixed hasher",
    );
}

#[test]
fn no_unfinished_work() {
    expect_none(
        &names::unfinished_work(Tree::load()),
        "finish it, or leave it out and say so in the README's table",
    );
}

#[test]
fn text_stands_on_its_own() {
    expect_none(
        &names::foreign_references(Tree::load()),
        "say the thing itself: a reader has only the repository",
    );
}

#[test]
fn files_are_small() {
    expect_none(
        &sizes::long_files(Tree::load()),
        "split the file by nouns; 800 production lines are the limit, 150 to 400 the aim",
    );
}

#[test]
fn doors_are_maps() {
    expect_none(
        &sizes::long_doors(Tree::load()),
        "a room's lib.rs is documentation, `mod` and `pub use`, at most 120 lines",
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    expect_none(
        &sizes::headless_files(Tree::load()),
        "begin the file with `//!`: its purpose and its invariants",
    );
}

#[test]
fn every_file_is_compiled() {
    expect_none(
        &sizes::orphan_files(Tree::load()),
        "declare it with `mod` or delete it",
    );
}

#[test]
fn architecture_shows_the_table_of_rooms() {
    expect_none(
        &documents::room_table(Tree::load()),
        "make the table in ARCHITECTURE.md equal to tests/tidy/rooms.rs",
    );
}

#[test]
fn architecture_names_a_check_for_each_absence() {
    expect_none(
        &documents::absences_without_check(Tree::load(), include_str!("tidy.rs")),
        "end each point with the check that keeps it: `tidy::name`, `clippy::name` or `cargo`",
    );
}

#[test]
fn architecture_fits_one_sitting() {
    expect_none(
        &documents::architecture_length(Tree::load()),
        "400 lines at most: cut what the code already says",
    );
}

#[test]
fn documents_name_files_that_exist() {
    expect_none(
        &documents::dead_paths(Tree::load()),
        "correct the path between backticks, or drop the sentence",
    );
}

#[test]
fn kernel_notes_are_cited_both_ways() {
    expect_none(
        &documents::kernel_notes(Tree::load()),
        "cite `kernel-note NNN` at the line that follows from it, list the note in \
         kernel-notes/README.md, or delete the note",
    );
}

#[test]
fn readme_lists_the_apis_that_are_served() {
    expect_none(
        &documents::api_table(Tree::load()),
        "make the API table in README.md equal to src/server/table.rs",
    );
}

#[test]
fn exceptions_only_shrink() {
    expect_none(
        &exceptions::unneeded(Tree::load()),
        "delete the entry from tests/tidy/exceptions.rs",
    );
}
