//! Objects and fields: what a record may hold, and how an object describes itself.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// What a field holds.
#[derive(Debug, Clone)]
pub enum FieldType {
    /// A record's key.
    Id,
    /// Text of at most so many characters.
    Text(u32),
    /// Long text, which a query cannot compare.
    LongText(u32),
    /// One of these values; if `restricted`, no other.
    Picklist {
        /// The values offered.
        values: Vec<String>,
        /// Whether others are refused.
        restricted: bool,
    },
    /// A number of so many digits, so many of them behind the point.
    Number(u32, u32),
    /// A day.
    Date,
    /// A time, in whole seconds.
    DateTime,
    /// True or false, never empty.
    Checkbox,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub struct FieldSpec {
    /// Its API name.
    pub name: String,
    /// What it holds.
    pub kind: FieldType,
    /// Whether the integration user may change it.
    pub updateable: bool,
}

/// An object.
#[derive(Debug, Clone)]
pub struct ObjectSpec {
    /// Its API name.
    pub name: String,
    /// The first three characters of its records' ids.
    pub prefix: String,
    /// Its fields, the system's own included.
    pub fields: Vec<FieldSpec>,
}

impl ObjectSpec {
    /// Makes an object with the fields that every object has, and these.
    pub fn new(name: &str, prefix: &str, fields: Vec<(&str, FieldType)>) -> Self {
        let system = [
            ("Id", FieldType::Id),
            ("IsDeleted", FieldType::Checkbox),
            ("CreatedDate", FieldType::DateTime),
            ("LastModifiedDate", FieldType::DateTime),
            ("SystemModstamp", FieldType::DateTime),
        ];
        let spec = |updateable| {
            move |(name, kind): (&str, FieldType)| FieldSpec { name: name.into(), kind, updateable }
        };
        let fields = system.into_iter().map(spec(false)).chain(fields.into_iter().map(spec(true))).collect();
        Self { name: name.into(), prefix: prefix.into(), fields }
    }

    /// The object of the reference configuration.
    pub fn build() -> Self {
        let picklist = |values: &[&str], restricted| FieldType::Picklist {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            restricted,
        };
        Self::new(
            "Build__c",
            "a0B",
            vec![
                ("Name", FieldType::Text(80)),
                ("build_type__c", picklist(&["Patch Build", "Full Build", "Internal Build"], false)),
                ("Build_Path__c", FieldType::Text(255)),
                (
                    "Magma_Intraware_Upload__c",
                    picklist(&["Error", "In Process", "Completed", "Do Not Release"], true),
                ),
                ("Magma_Intraware_Upload_Detail__c", FieldType::Text(255)),
                (
                    "Intraware_Upload__c",
                    picklist(&["Ready for Intraware File Association", "File Associated"], true),
                ),
                ("Payload_Size__c", FieldType::Number(18, 0)),
                ("MD5_Digest__c", FieldType::Text(32)),
                ("SHA1_Digest__c", FieldType::Text(40)),
                ("Build_Creation_Date__c", FieldType::DateTime),
                ("Priority__c", FieldType::Number(5, 0)),
                ("Product__c", FieldType::Text(40)),
                ("Notes__c", FieldType::LongText(32_768)),
                ("Customer_Visible__c", FieldType::Checkbox),
            ],
        )
    }

    /// Returns the field of this name, in any case.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn required_field(&self, name: &str) -> Result<&FieldSpec, Refusal> {
        self.field(name).ok_or_else(|| Refusal::no_field(&self.name, name))
    }

    /// Checks the fields of a create or an update, and returns them as they are stored.
    pub(crate) fn check(&self, given: &Map<String, Value>) -> Result<Vec<(String, Value)>, Refusal> {
        let fields = given.iter().filter(|(name, _)| *name != "attributes");
        fields
            .map(|(name, value)| {
                let field = self.required_field(name)?;
                if !field.updateable {
                    let message = format!(
                        "Unable to create/update fields: {}. Please check the security settings of this \
                         field and verify that it is read/write for your profile or permission set.",
                        field.name
                    );
                    let refusal = Refusal::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message);
                    return Err(refusal.about(&field.name));
                }
                Ok((field.name.clone(), field.check(value)?))
            })
            .collect()
    }

    /// Describes the object as the service does.
    pub(crate) fn describe(&self, base: &str) -> Value {
        let mut about = self.summary(base);
        about["fields"] = self.fields.iter().map(FieldSpec::describe).collect();
        about["recordTypeInfos"] = json!([]);
        about["childRelationships"] = json!([]);
        about
    }

    /// Describes the object as the list of all objects does.
    pub(crate) fn summary(&self, base: &str) -> Value {
        let url = format!("{base}/sobjects/{}", self.name);
        json!({
            "name": self.name, "label": self.name.trim_end_matches("__c"), "keyPrefix": self.prefix,
            "custom": self.name.ends_with("__c"), "queryable": true, "createable": true,
            "updateable": true, "deletable": true, "retrieveable": true, "searchable": true,
            "urls": {
                "sobject": url, "describe": format!("{url}/describe"), "rowTemplate": format!("{url}/{{ID}}"),
            },
        })
    }
}

impl FieldSpec {
    fn type_name(&self) -> &'static str {
        match self.kind {
            FieldType::Id => "id",
            FieldType::Text(_) => "string",
            FieldType::LongText(_) => "textarea",
            FieldType::Picklist { .. } => "picklist",
            FieldType::Number(..) => "double",
            FieldType::Date => "date",
            FieldType::DateTime => "datetime",
            FieldType::Checkbox => "boolean",
        }
    }

    fn describe(&self) -> Value {
        let (length, precision, scale) = match self.kind {
            FieldType::Id => (18, 0, 0),
            FieldType::Text(length) | FieldType::LongText(length) => (length, 0, 0),
            FieldType::Picklist { .. } => (255, 0, 0),
            FieldType::Number(precision, scale) => (0, precision, scale),
            FieldType::Date | FieldType::DateTime | FieldType::Checkbox => (0, 0, 0),
        };
        let (values, restricted) = match &self.kind {
            FieldType::Picklist { values, restricted } => (values.as_slice(), *restricted),
            _ => (&[][..], false),
        };
        let values: Vec<Value> = values
            .iter()
            .map(|value| json!({ "active": true, "defaultValue": false, "label": value, "value": value }))
            .collect();
        json!({
            "name": self.name, "label": self.name.trim_end_matches("__c").replace('_', " "),
            "type": self.type_name(), "length": length, "byteLength": length * 3, "precision": precision,
            "scale": scale, "custom": self.name.ends_with("__c"), "createable": self.updateable,
            "updateable": self.updateable, "nillable": !matches!(self.kind, FieldType::Id | FieldType::Checkbox),
            "filterable": self.is_filterable(), "sortable": self.is_filterable(),
            "restrictedPicklist": restricted, "picklistValues": values,
        })
    }

    pub(crate) fn is_filterable(&self) -> bool {
        !matches!(self.kind, FieldType::LongText(_))
    }

    /// Checks a value and returns it as it is stored.
    fn check(&self, value: &Value) -> Result<Value, Refusal> {
        match (&self.kind, value) {
            (FieldType::Checkbox, Value::Bool(_)) => Ok(value.clone()),
            (FieldType::Checkbox, Value::Null) => Ok(json!(false)),
            (_, Value::Null) => Ok(Value::Null),
            (
                FieldType::Text(_) | FieldType::LongText(_) | FieldType::Picklist { .. },
                Value::String(text),
            ) => self.check_text(text),
            (FieldType::Number(precision, scale), Value::Number(number)) => {
                let limit = 10f64.powi((precision - scale) as i32);
                if number.as_f64().is_some_and(|number| number.abs() < limit) {
                    return Ok(value.clone());
                }
                let message =
                    format!("{}: value outside of valid range on numeric field: {number}", self.name);
                Err(Refusal::new(400, "NUMBER_OUTSIDE_VALID_RANGE", message).about(&self.name))
            }
            (FieldType::DateTime, Value::String(text)) => {
                let time = parse_time(text).ok_or_else(|| self.wrong_type(value))?;
                Ok(json!(print_time(time)))
            }
            (FieldType::Date, Value::String(text)) => {
                let day: Date =
                    text.get(..10).and_then(|day| day.parse().ok()).ok_or_else(|| self.wrong_type(value))?;
                Ok(json!(day.to_string()))
            }
            _ => Err(self.wrong_type(value)),
        }
    }

    fn check_text(&self, text: &str) -> Result<Value, Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let max = match &self.kind {
            FieldType::Text(max) | FieldType::LongText(max) => *max as usize,
            FieldType::Picklist { values, restricted } => {
                if *restricted && !values.iter().any(|value| value == text) {
                    let message = format!("{}: bad value for restricted picklist field: {text}", self.name);
                    let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
                    return Err(Refusal::new(400, code, message).about(&self.name));
                }
                255
            }
            _ => usize::MAX,
        };
        if text.chars().count() > max {
            let message = format!("{}: data value too large: {text} (max length={max})", self.name);
            return Err(Refusal::new(400, "STRING_TOO_LONG", message).about(&self.name));
        }
        Ok(json!(text))
    }

    fn wrong_type(&self, value: &Value) -> Refusal {
        let token = match value {
            Value::Null => "VALUE_NULL",
            Value::Bool(true) => "VALUE_TRUE",
            Value::Bool(false) => "VALUE_FALSE",
            Value::Number(number) if number.is_f64() => "VALUE_NUMBER_FLOAT",
            Value::Number(_) => "VALUE_NUMBER_INT",
            Value::String(_) => "VALUE_STRING",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Refusal::json(format!(
            "Cannot deserialize instance of {} from {token} value {shown} or request may be missing a \
             required field at [line:1, column:1]",
            self.type_name()
        ))
    }
}

/// Reads a time with an offset, in the forms that the service takes.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let time = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok().or_else(|| text.parse().ok())?;
    Timestamp::from_second(time.as_second()).ok()
}

/// Writes a time as the service does.
pub(crate) fn print_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}
