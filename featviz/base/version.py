"""The version of featviz, and how results tell it."""

VERSION = "0.1.0"
VERSION_KEY = "featviz_version"
