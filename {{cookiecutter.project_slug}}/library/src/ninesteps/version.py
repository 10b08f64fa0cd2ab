"""The library's version; a built wheel adds a suffix from its content, such as +g3f2a91c0."""

VERSION = "1.0.0"
