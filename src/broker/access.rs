//! Access control lists come and go by decree of an administrator.

use access::{Acl, AclFilter};
use base::Uuid;
use metadata::decide::{self, CreatedAcls, DeletedAcls};

use crate::broker::Broker;
use crate::controller::ControllerError;

impl Broker {
    /// Adds lists, each on its own; what they say holds on every core once this returns.
    ///
    /// # Errors
    /// When there are too many at once or the controller cannot decide.
    pub async fn create_acls(&self, acls: Vec<Acl>) -> Result<CreatedAcls, ControllerError> {
        let outcome = self.decide(move |image, random| {
            match decide::create_acls(image, &acls, || Uuid::random(random)) {
                Ok((changes, outcomes)) => (changes, Ok(outcomes)),
                Err(refusal) => (Vec::new(), Err(refusal)),
            }
        });
        outcome.await?.map_err(ControllerError::Refused)
    }

    /// Takes out what the filters select.
    ///
    /// # Errors
    /// When they select too many at once or the controller cannot decide.
    pub async fn delete_acls(
        &self,
        filters: Vec<AclFilter>,
    ) -> Result<DeletedAcls, ControllerError> {
        let outcome =
            self.decide(
                move |image, _random| match decide::delete_acls(image, &filters) {
                    Ok((changes, outcomes)) => (changes, Ok(outcomes)),
                    Err(refusal) => (Vec::new(), Err(refusal)),
                },
            );
        outcome.await?.map_err(ControllerError::Refused)
    }
}
