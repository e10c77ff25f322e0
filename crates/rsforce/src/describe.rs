//! What an object looks like to the user who asks, as far as a program needs to know.

use serde::{Deserialize, Serialize};

/// An object's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its API name, in the case that answers use.
    pub name: String,
    /// Whether it can be queried.
    #[serde(default)]
    pub queryable: bool,
    /// Whether its records can be changed.
    #[serde(default)]
    pub updateable: bool,
    /// Its fields, as far as the user can see them.
    pub fields: Vec<Field>,
}

impl Object {
    /// Returns the field of this name; Salesforce does not tell upper from lower case.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// A field's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its API name, in the case that answers use.
    pub name: String,
    /// Its type: `string`, `picklist`, `double`, `date`, `datetime`, `textarea`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Longest text in characters; 0 for other types.
    #[serde(default)]
    pub length: u32,
    /// Digits of a number in all.
    #[serde(default)]
    pub precision: u32,
    /// Digits of a number behind the point.
    #[serde(default)]
    pub scale: u32,
    /// Whether the user may change it.
    #[serde(default)]
    pub updateable: bool,
    /// Whether a query may compare it.
    #[serde(default)]
    pub filterable: bool,
    /// Whether it can be empty.
    #[serde(default)]
    pub nillable: bool,
    /// Whether a picklist takes no other values than those listed.
    #[serde(default)]
    pub restricted_picklist: bool,
    /// The values of a picklist.
    #[serde(default)]
    pub picklist_values: Vec<PicklistValue>,
}

impl Field {
    /// Returns whether the picklist offers exactly `value`, in this case, and it is active.
    pub fn offers(&self, value: &str) -> bool {
        self.picklist_values.iter().any(|offered| offered.active && offered.value == value)
    }
}

/// A value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PicklistValue {
    /// The API value, which is what is stored and compared.
    pub value: String,
    /// Whether it may be set.
    #[serde(default)]
    pub active: bool,
}
