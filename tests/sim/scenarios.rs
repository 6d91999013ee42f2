//! Stories in the words of users, each told by the log of the nodes.
