//! What people do to records, with the tools they have: the store's own, and not our programs.

use serde_json::json;

use crate::bench::{BUILD, Bench, Store};

impl Bench {
    /// Sets the status of the build `name` as a person, to a word of the store or to nothing.
    ///
    /// # Panics
    /// If there is no such build.
    #[track_caller]
    pub fn set_status(&self, name: &str, status: Option<&str>) {
        match &self.store {
            Store::Salesforce(server) => {
                let id = self.record(name)["id"].as_str().expect("an id").to_owned();
                server.edit(BUILD, &id, json!({ "Magma_Intraware_Upload__c": status }));
            }
            Store::Sqlite => {
                let database = rusqlite::Connection::open(self.path("var/records.db")).expect("the database");
                let changed = database
                    .execute("UPDATE records SET status = ?1 WHERE name = ?2", [status, Some(name)])
                    .expect("an edit that the database takes");
                assert!(changed == 1, "{changed} records are called {name}");
            }
        }
    }
}
