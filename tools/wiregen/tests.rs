//! The generator's own tests: what it refuses, and that what is committed is what it writes.

use crate::model::{Base, Head};
use crate::names::{field_type, wire_min};
use crate::parse::parse;
use std::path::Path;

const GOOD: &str = "\
# 0: first layout
# 1: flexible encoding (KIP-482)

api 7 Example
listeners broker controller
versions 0-3
kafka 1-3
flexible 1+

request
  struct Shared
    name: string
  topics: [Topic] null 2+ = null
    shared: [Shared]
    topic_id: uuid 3 ignorable
  epoch: int32 1+ tag 4 = -1

response
  error_code: int16
";

#[test]
fn a_definition_is_read_as_it_says() {
    let definition = parse("7_example.def", GOOD).unwrap();
    assert_eq!(definition.module(), "example");
    assert_eq!(definition.notes.len(), 2);
    let Head::Api(api) = &definition.head else {
        panic!("an api was defined");
    };
    assert_eq!((api.key, api.kafka.min, api.listeners.len()), (7, 1, 2));
}

#[test]
fn an_array_s_elements_have_a_smallest_size_that_refuses_claims() {
    let definition = parse("7_example.def", GOOD).unwrap();
    let request = &definition.messages[0];
    let topic = Base::Struct("Topic".to_owned());
    // In version 1: an empty compact array and no tagged fields.
    assert_eq!(wire_min(request, &topic), 2);
    assert_eq!(wire_min(request, &Base::Uuid), 16);
    let topics = &request.structs[0].fields[0];
    assert_eq!(field_type(request, topics), "Option<Vec<Topic<'a>>>");
}

#[test]
fn what_cannot_be_generated_is_refused_with_its_line() {
    let refused = |from: &str, to: &str| {
        assert!(GOOD.contains(from));
        parse("7_example.def", &GOOD.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("uuid 3 ignorable", "uuid 3 ignorably"),
        "7_example.def:15: `ignorably` is not understood here"
    );
    assert!(refused("uuid 3", "uuid 3+ null 9-4").contains("empty range"));
    assert!(refused("uuid 3", "uuid 3-8").contains("beyond its surroundings"));
    assert!(refused("name: string", "name: [Shared]").contains("recursive"));
    assert!(refused("name: string", "name: Unheard").contains("recursive or unknown"));
    assert!(refused("int32 1+ tag 4", "records 1+ tag 4").contains("spliced"));
    assert!(refused("kafka 1-3\n", "").contains("needs"));
}

#[test]
fn what_is_committed_is_what_is_generated() {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/wire");
    let files = crate::generate(&wire).unwrap();
    let stale = crate::stale(&crate::roots(&wire), &files).unwrap();
    assert!(stale.is_empty(), "run `make wire`: {stale:?}");
}
