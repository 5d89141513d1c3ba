package lb

import "C"
