//! Fragments from many build machines become one package directory.
