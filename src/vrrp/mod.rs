//! VRRP, sans-IO: packets, the state machine of one virtual router, and gratuitous ARP frames.
