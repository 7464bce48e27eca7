//! A broker joins the cluster, again or for the first time (KIP-631).
//!
//! Invariant: the registration's epoch is higher than that of any before, which is why the caller
//! passes the offset at which the record will stand.

use crate::broker::{Broker, Endpoint, FeatureRange};
use crate::change::Change;
use crate::decide::leadership::renew_reigns;
use crate::image::Image;
use crate::refusal::Refusal;
use base::{ErrorCode, NodeId, Uuid};
use std::collections::BTreeMap;

/// What a broker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub id: NodeId,
    /// The cluster it believes to belong to.
    pub cluster_id: String,
    /// Drawn when its process started.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it can do.
    pub features: BTreeMap<String, FeatureRange>,
    /// Where it stands.
    pub rack: Option<String>,
    /// Its log directories.
    pub log_dirs: Vec<Uuid>,
}

/// Decides a registration. The broker is fenced until `unfence_broker`; while it was away its
/// reigns are over. `broker_epoch` is the offset behind the image's last record or any later one.
///
/// # Errors
/// Another cluster, no directory, features that this broker cannot work at.
pub fn register_broker(
    image: &Image,
    registration: Registration,
    broker_epoch: i64,
) -> Result<Vec<Change>, Refusal> {
    assert!(broker_epoch > image.offset().get(), "epochs only grow");
    if registration.cluster_id != image.cluster_id() {
        let text = format!(
            "Expected cluster ID {}, but got cluster ID {}",
            image.cluster_id(),
            registration.cluster_id
        );
        return Err(Refusal::new(ErrorCode::InconsistentClusterId, text));
    }
    if registration.log_dirs.is_empty() {
        let text = "No directories specified in request";
        return Err(Refusal::new(ErrorCode::InvalidRegistration, text));
    }
    for (name, level) in image.features() {
        let supported = registration.features.get(name);
        let fits = supported.is_some_and(|range| range.min <= *level && *level <= range.max);
        if !fits {
            let text = format!(
                "Unable to register because the broker does not support finalized version \
                 {level} of {name}."
            );
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, text));
        }
    }
    let id = registration.id;
    let mut changes = vec![Change::RegisterBroker(Broker {
        id,
        epoch: broker_epoch,
        incarnation_id: registration.incarnation_id,
        endpoints: registration.endpoints,
        features: registration.features,
        rack: registration.rack,
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: registration.log_dirs,
        cordoned_log_dirs: None,
    })];
    changes.extend(renew_reigns(image, id));
    Ok(changes)
}

/// Decides that a broker is gone for good (KIP-631's UnregisterBroker).
///
/// # Errors
/// When it is not registered.
pub fn unregister_broker(image: &Image, id: NodeId) -> Result<Vec<Change>, Refusal> {
    let broker = image.broker(id).ok_or_else(|| {
        let text = format!("Broker ID {id} is not currently registered");
        Refusal::new(ErrorCode::BrokerIdNotRegistered, text)
    })?;
    let mut changes = renew_reigns(image, id);
    changes.push(Change::UnregisterBroker {
        id,
        epoch: broker.epoch,
    });
    Ok(changes)
}
