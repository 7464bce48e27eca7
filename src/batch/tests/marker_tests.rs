//! Markers are what Kafka 4.3.1 wrote, byte for byte.

use base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::{EndMarker, stamp};

const COMMIT: &str = "00000000000000010000004200000000027d559105003000000000000001a1ffc6952b000001a1ffc6952b00 \
     000000000000000001ffffffff000000012000000008000000010c00000000000000";
const ABORT: &str = "0000000000000009000000420000000002675df7c9003000000000000001a1ffc6f459000001a1ffc6f45900 \
     000000000000000005ffffffff000000012000000008000000000c00000000000000";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn markers_are_kafkas() {
    let mut marker = EndMarker {
        producer_id: ProducerId(0),
        producer_epoch: ProducerEpoch(1),
        coordinator_epoch: 0,
        is_abort: false,
        timestamp: Timestamp(1_795_292_566_827),
    };
    let mut batch = marker.batch();
    stamp(&mut batch, Offset(1), LeaderEpoch(0));
    assert_eq!(hex(&batch), COMMIT.replace(' ', ""));
    marker.producer_epoch = ProducerEpoch(5);
    marker.is_abort = true;
    marker.timestamp = Timestamp(1_795_292_591_193);
    let mut batch = marker.batch();
    stamp(&mut batch, Offset(9), LeaderEpoch(0));
    assert_eq!(hex(&batch), ABORT.replace(' ', ""));
}
