//! ipvsadm, ipvsadm-save, ipvsadm-restore and lvsctl.
