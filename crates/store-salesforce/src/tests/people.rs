//! The suite that every store passes, with people who edit the same records past the store.

use super::*;
use intraware_core::store::conformance::{Field, People, Sheet, Subject};

intraware_core::conformance_suite!(subject);

/// People at Salesforce's pages.
struct Pages(Arc<Salesforce>);

fn subject() -> Subject {
    let server = server();
    let mut spec = ObjectSpec::build();
    // People may have words of their own, and the suite has; then the picklist is not restricted.
    for field in spec.fields.iter_mut().filter(|field| field.name == STATUS) {
        if let FieldType::Picklist { restricted, .. } = &mut field.kind {
            *restricted = false;
        }
    }
    server.define(spec);
    Subject { store: Box::new(store(&server)), people: Box::new(Pages(server)), values: values() }
}

impl People for Pages {
    fn add(&mut self, sheet: &Sheet) -> RecordId {
        let date = sheet.build_date.map(rsforce::print_datetime);
        let id = self.0.create(
            BUILD,
            json!({
                "Name": sheet.name, "build_type__c": sheet.build_type, "Build_Path__c": sheet.build_path,
                STATUS: sheet.status, "Magma_Intraware_Upload_Detail__c": sheet.detail,
                "Intraware_Upload__c": sheet.association, "Payload_Size__c": sheet.size,
                "MD5_Digest__c": sheet.md5, "SHA1_Digest__c": sheet.sha1,
                "Build_Creation_Date__c": date, "Priority__c": sheet.priority,
            }),
        );
        id.parse().unwrap()
    }

    fn edit(&mut self, id: &RecordId, field: Field, value: Option<&str>) {
        let name = match field {
            Field::BuildPath => "Build_Path__c",
            Field::Status => STATUS,
            Field::Association => "Intraware_Upload__c",
        };
        self.0.edit(BUILD, id.as_str(), json!({ name: value }));
    }

    fn remove(&mut self, id: &RecordId) {
        self.0.delete(BUILD, id.as_str());
    }

    fn show(&mut self, id: &RecordId) -> Sheet {
        let row = self.0.record(BUILD, id.as_str()).unwrap();
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        Sheet {
            name: text("Name").unwrap(),
            build_type: text("build_type__c"),
            build_path: text("Build_Path__c"),
            status: text(STATUS),
            detail: text("Magma_Intraware_Upload_Detail__c"),
            association: text("Intraware_Upload__c"),
            size: row["Payload_Size__c"].as_u64(),
            md5: text("MD5_Digest__c"),
            sha1: text("SHA1_Digest__c"),
            build_date: text("Build_Creation_Date__c").and_then(|date| rsforce::parse_datetime(&date)),
            priority: row["Priority__c"].as_i64(),
        }
    }

    fn settle(&mut self) {
        self.0.advance(Duration::from_secs(5));
    }
}
