//! Heads as browsers, scrapers and enemies send them, and the answers' own bytes.

#![allow(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use crate::http::{Answer, Code, HEAD_BYTES_MAX, Head, Request, decoded, parse};

fn whole(method: &str, path: &str) -> Head {
    Head::Whole(Request {
        method: method.to_owned(),
        path: path.to_owned(),
    })
}

/// Whatever is cut off waits, whatever is no HTTP is refused, and nothing panics in between.
#[test]
fn heads_are_read_or_refused() {
    let request = b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    assert_eq!(parse(request), whole("GET", "/metrics"));
    for len in 0..request.len() {
        assert_eq!(parse(&request[..len]), Head::Partial, "{len} bytes");
    }
    assert_eq!(parse(b"POST /a HTTP/1.0\r\n\r\nbody"), whole("POST", "/a"));
    let refused = Head::Refused(Code::BadRequest);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x00\x00\x00\x14\x00\x12\x00\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        assert_eq!(parse(bytes), refused, "{bytes:?}");
    }
}

/// A head that never ends costs its bound and no more.
#[test]
fn heads_are_bounded() {
    let mut long = b"GET /".to_vec();
    long.resize(HEAD_BYTES_MAX, b'a');
    assert_eq!(parse(&long), Head::Refused(Code::HeadTooLarge));
    let mut many = b"GET / HTTP/1.1\r\n".to_vec();
    for _ in 0..100 {
        many.extend_from_slice(b"a: b\r\n");
    }
    assert_eq!(parse(&many), Head::Refused(Code::HeadTooLarge));
}

/// Groups have names with slashes, spaces and umlauts.
#[test]
fn parts_of_paths_are_decoded() {
    assert_eq!(decoded("a%2Fb%20c").unwrap(), "a/b c");
    assert_eq!(decoded("gr%C3%BCn").unwrap(), "grün");
    for malformed in ["%", "%4", "%zz", "%ff"] {
        assert_eq!(decoded(malformed), None, "{malformed}");
    }
}

#[test]
fn answers_say_how_long_they_are() {
    let answer = Answer::text(Code::Ok, "ok\n");
    let bytes = answer.clone().into_bytes(false);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\nok\n"
    );
    let head = String::from_utf8(answer.into_bytes(true)).unwrap();
    assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
    let refusal = Answer::refusal(Code::MethodNotAllowed).into_bytes(false);
    let refusal = String::from_utf8(refusal).unwrap();
    assert!(refusal.contains("Allow: GET, HEAD\r\n"));
}
