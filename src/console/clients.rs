//! What clients measured of themselves and pushed to this node (KIP-714), for Prometheus.
//!
//! Apart from the node's own metrics: there may be thousands of clients, and who scrapes the node
//! need not want them. Names are the clients' own with dots written as underscores; the labels
//! say which client it is.

use broker::{Broker, ClientValues};
use metrics::{ForeignLabels, ForeignPage};

use crate::http::{Answer, Code, EXPOSITION};

/// Everything that clients are still asked for.
pub(crate) async fn metrics(broker: &Broker) -> Answer {
    let mut page = ForeignPage::new();
    let mut last = None;
    while let Some(client) = broker.client_values(last).await {
        last = Some(client.instance_id);
        put(&mut page, &client);
        broker.core().yield_now().await;
    }
    let mut body = String::new();
    while let Some(family) = page.take_text() {
        body.push_str(&family);
        broker.core().yield_now().await;
    }
    Answer {
        code: Code::Ok,
        kind: EXPOSITION,
        body,
    }
}

fn put(page: &mut ForeignPage, client: &ClientValues) {
    let traits = &client.client;
    for value in &client.values {
        let mut labels = ForeignLabels::new()
            .and("client_instance_id", &traits.client_instance_id)
            .and("client_id", &traits.client_id)
            .and("client_software_name", &traits.software_name)
            .and("client_software_version", &traits.software_version);
        for (name, attribute) in &value.attributes {
            labels = labels.and(name, attribute);
        }
        page.put(&value.name, &labels, value.value, value.is_counter);
    }
}
