//! Record bytes are spliced into a response, never copied.

use crate::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use crate::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::{
    ApiKey, Decode, Encoded, Fault, Piece, Reader, Records, RequestHeader, decode_request_header,
    decode_response_header, encode_request, encode_response,
};

/// What a socket would be given: the pieces in order, the gaps filled from `externals`.
fn assembled(encoded: &Encoded, externals: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::new();
    for piece in encoded.pieces() {
        match piece {
            Piece::Bytes(range) => frame.extend_from_slice(&encoded.bytes()[range.clone()]),
            Piece::External { token, length } => {
                let bytes = externals[usize::try_from(*token).unwrap()];
                assert_eq!(bytes.len(), usize::try_from(*length).unwrap());
                frame.extend_from_slice(bytes);
            }
        }
    }
    assert_eq!(
        frame.len(),
        encoded.len(),
        "the announced length is what is sent"
    );
    frame
}

fn partition(index: i32, records: Records<'_>) -> PartitionData<'_> {
    PartitionData {
        partition_index: index,
        high_watermark: 7,
        records,
        ..PartitionData::default()
    }
}

fn response<'a>(records: [Records<'a>; 4]) -> FetchResponse<'a> {
    let indexes = 0..;
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "t".into(),
            partitions: indexes
                .zip(records)
                .map(|(index, records)| partition(index, records))
                .collect(),
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    }
}

#[test]
fn a_spliced_fetch_response_equals_a_copied_one() {
    let (one, two): (&[u8], &[u8]) = (&[1; 300], &[2; 5]);
    for version in 0..=18 {
        let copied = response([
            Records::Borrowed(one),
            Records::Null,
            Records::Borrowed(two),
            Records::Borrowed(&[]),
        ]);
        let spliced = response([
            Records::External {
                token: 0,
                length: 300,
            },
            Records::Null,
            Records::External {
                token: 1,
                length: 5,
            },
            Records::External {
                token: 2,
                length: 0,
            },
        ]);
        let copied = encode_response(9, ApiKey::Fetch, version, &copied).unwrap();
        let spliced = encode_response(9, ApiKey::Fetch, version, &spliced).unwrap();
        assert_eq!(spliced.pieces().len(), 5, "three runs around two gaps");
        let frame = assembled(&spliced, &[one, two]);
        assert_eq!(frame, copied.into_bytes().unwrap(), "version {version}");

        let (length, body) = frame.split_first_chunk::<4>().unwrap();
        assert_eq!(
            usize::try_from(i32::from_be_bytes(*length)).unwrap(),
            body.len()
        );
        let mut reader = Reader::new(body);
        let header = decode_response_header(&mut reader, ApiKey::Fetch, version).unwrap();
        assert_eq!(header.correlation_id, 9);
        let decoded = FetchResponse::decode(&mut reader, version).unwrap();
        reader.finish().unwrap();
        assert_eq!(
            decoded.responses[0].partitions[2].records,
            Records::Borrowed(two)
        );
    }
}

#[test]
fn a_produce_request_lends_its_records_from_the_frame() {
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            name: "t".into(),
            partition_data: vec![PartitionProduceData {
                index: 3,
                records: Records::Borrowed(b"batch"),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let frame = encode_request(5, Some("me"), 9, &request).unwrap();
    let frame = frame.into_bytes().unwrap();
    let mut reader = Reader::new(&frame[4..]);
    let (key, header) = decode_request_header(&mut reader).unwrap();
    assert_eq!(key, ApiKey::Produce);
    let expected = RequestHeader {
        request_api_key: 0,
        request_api_version: 9,
        correlation_id: 5,
        client_id: Some("me".into()),
    };
    assert_eq!(header, expected);
    let decoded = ProduceRequest::decode(&mut reader, header.request_api_version).unwrap();
    assert_eq!(decoded, request);
    let Records::Borrowed(records) = decoded.topic_data[0].partition_data[0].records else {
        panic!("the records were not borrowed");
    };
    assert!(
        frame.as_ptr_range().contains(&records.as_ptr()),
        "the records were copied"
    );
}

#[test]
fn what_a_version_cannot_carry_is_refused_and_not_lost() {
    let mut request = ProduceRequest {
        transactional_id: Some("t".into()),
        ..ProduceRequest::default()
    };
    let error = encode_request(1, None, 2, &request).unwrap_err();
    assert_eq!(error.fault, Fault::FieldNotInVersion { version: 2 });
    assert_eq!(
        error.to_string(),
        "ProduceRequest.transactional_id at byte 14: is set but version 2 cannot carry it; use a \
         newer version or unset it"
    );
    request.transactional_id = None;
    encode_request(1, None, 2, &request).unwrap();

    let long = "x".repeat(0x8000);
    request.transactional_id = Some(long.into());
    for version in [3, 9] {
        let error = encode_request(1, None, version, &request).unwrap_err();
        assert_eq!(error.fault, Fault::TooLong { length: 0x8000 });
    }
}
