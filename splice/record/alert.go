package record

import (
	"errors"
	"strconv"
)

// Alert is a TLS alert (RFC 8446 6).
type Alert uint8

// The alerts that this package sends or treats on their own.
const (
	AlertCloseNotify       Alert = 0
	AlertUnexpectedMessage Alert = 10
	AlertBadRecordMAC      Alert = 20
	AlertRecordOverflow    Alert = 22
	AlertIllegalParameter  Alert = 47
	AlertDecodeError       Alert = 50
	AlertInternalError     Alert = 80
	AlertUserCanceled      Alert = 90
)

// String returns the name in RFC 8446 B.2, or the number.
func (a Alert) String() string {
	switch a {
	case AlertCloseNotify:
		return "close_notify"
	case AlertUnexpectedMessage:
		return "unexpected_message"
	case AlertBadRecordMAC:
		return "bad_record_mac"
	case AlertRecordOverflow:
		return "record_overflow"
	case AlertIllegalParameter:
		return "illegal_parameter"
	case AlertDecodeError:
		return "decode_error"
	case AlertInternalError:
		return "internal_error"
	case AlertUserCanceled:
		return "user_canceled"
	}
	return "alert_" + strconv.Itoa(int(a))
}

// Error says why records cannot be read any more.
type Error struct {
	Alert  Alert // due to the peer, or sent by it
	Remote bool  // the peer sent it: nothing is due
	text   string
}

// Error implements error.
func (e *Error) Error() string { return "tls: " + e.text + " (" + e.Alert.String() + ")" }

// AlertDue returns the alert that the peer is to be sent for err.
func AlertDue(err error) (Alert, bool) {
	var e *Error
	if !errors.As(err, &e) {
		return AlertInternalError, true
	}
	return e.Alert, !e.Remote
}

// The peer's faults, each with the section of RFC 8446 that names the alert.
var (
	faultOuterType      = &Error{Alert: AlertUnexpectedMessage, text: "a record that is not protected"}               // 5
	faultTooLong        = &Error{Alert: AlertRecordOverflow, text: "a record is too long"}                            // 5.2, 5.4
	faultShort          = &Error{Alert: AlertBadRecordMAC, text: "a record is too short to be sealed"}                // 5.2
	faultMAC            = &Error{Alert: AlertBadRecordMAC, text: "a record cannot be opened"}                         // 5.2
	faultSequence       = &Error{Alert: AlertInternalError, text: "the sequence numbers are used up"}                 // 5.3
	faultNoType         = &Error{Alert: AlertUnexpectedMessage, text: "a record of padding only"}                     // 5.4
	faultInnerType      = &Error{Alert: AlertUnexpectedMessage, text: "a record of an unknown type"}                  // 5
	faultEmpty          = &Error{Alert: AlertUnexpectedMessage, text: "an empty handshake record"}                    // 5.1
	faultInterleaved    = &Error{Alert: AlertUnexpectedMessage, text: "a handshake message is interrupted"}           // 5.1
	faultKeyBoundary    = &Error{Alert: AlertUnexpectedMessage, text: "a KeyUpdate is not the last of its record"}    // 5.1
	faultUseless        = &Error{Alert: AlertUnexpectedMessage, text: "too many records without data"}                // 5.1
	faultAlert          = &Error{Alert: AlertDecodeError, text: "a malformed alert"}                                  // 6
	faultMessage        = &Error{Alert: AlertUnexpectedMessage, text: "a handshake message that must not come here"}  // 4
	faultMessageTooLong = &Error{Alert: AlertDecodeError, text: "a handshake message is too long"}                    // 6.2
	faultKeyUpdate      = &Error{Alert: AlertDecodeError, text: "a malformed KeyUpdate"}                              // 4.6.3
	faultKeyUpdateValue = &Error{Alert: AlertIllegalParameter, text: "a KeyUpdate with an unknown request"}           // 4.6.3
	faultAfterClose     = &Error{Alert: AlertUnexpectedMessage, Remote: true, text: "a record after the end of data"} // 6.1
)
