"""The public test kit: real servers, engines and browsers for tests of Trackway and around it."""
