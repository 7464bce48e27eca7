//! A member of a share group asks for a coordinator that does not exist yet; it must hear so in a way
//! that makes it ask again, and nonsense must be called nonsense.

use base::ErrorCode;

use super::{SHARE, elsewhere};

#[test]
fn keys_of_other_coordinators_are_told_apart_from_nonsense() {
    let code = |key_type, version, key| elsewhere(key_type, version, key).0;
    let not_yet = ErrorCode::CoordinatorNotAvailable;
    let nonsense = ErrorCode::InvalidRequest;
    let share = "group:AAAAAAAAAAAAAAAAAAAAAQ:3";
    assert_eq!(code(SHARE, 6, share), not_yet);
    assert_eq!(code(SHARE, 5, share), nonsense);
    for key in ["", "group", ":AAAAAAAAAAAAAAAAAAAAAQ:3", "group:topic:3"] {
        assert_eq!(code(SHARE, 6, key), nonsense, "{key}");
    }
    assert_eq!(code(3, 6, "id"), nonsense);
    assert_eq!(code(-1, 6, "id"), nonsense);
}
