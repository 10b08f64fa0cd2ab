"""The library's version; a packed wheel's has a suffix made of its content, such as +g3f2a91c0."""

VERSION = "1.0.0"
