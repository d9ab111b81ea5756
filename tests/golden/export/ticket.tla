---- MODULE system ----
\* small: 1 Ticket, 2 principals
\* of the app with the digest sha256:8466cad65d9b2ec74eb05ef3f7b9f2c8047709ec57e7c88377096a88efd76538
EXTENDS Integers, FiniteSets

\* Ticket1_state: 0 nobody there, 1 open, 2 done
VARIABLES Ticket1_state, Ticket1_owner, Ticket1_tags, Ticket1_answers
vars == <<Ticket1_state, Ticket1_owner, Ticket1_tags, Ticket1_answers>>

Init ==
  \/ Ticket1_state = 0 /\ Ticket1_owner = 0 /\ Ticket1_tags = {} /\ Ticket1_answers = 0

\* create Ticket#1 create
C0 ==
  \E p_actor \in {1, 2}:
  /\ (Ticket1_state = 0)
  /\ Ticket1_state' = 1
  /\ Ticket1_owner' = p_actor
  /\ Ticket1_tags' = {}
  /\ Ticket1_answers' = 1
\* act Ticket#1 answer
C1 ==
  \E p_actor \in {1, 2}:
  /\ ((Ticket1_state = 1) /\ ~(Ticket1_owner = 0) /\ (Ticket1_owner = p_actor) /\ ((Ticket1_answers + (-1)) < 3) /\ (Ticket1_answers <= 3))
  /\ Ticket1_answers' = (Ticket1_answers + 1)
  /\ UNCHANGED <<Ticket1_state, Ticket1_owner, Ticket1_tags>>
\* act Ticket#1 close
C2 ==
  /\ ((Ticket1_state = 1) /\ ~(1 \in Ticket1_tags))
  /\ Ticket1_state' = 2
  /\ UNCHANGED <<Ticket1_owner, Ticket1_tags, Ticket1_answers>>
\* act Ticket#1 mark
C3 ==
  \E p_tag \in {0, 1}:
  /\ ((Ticket1_state = 1) /\ (Cardinality((Ticket1_tags \cup {p_tag})) <= 2))
  /\ Ticket1_tags' = (Ticket1_tags \cup {p_tag})
  /\ UNCHANGED <<Ticket1_state, Ticket1_owner, Ticket1_answers>>
\* recycle Ticket#1
C4 ==
  /\ (Ticket1_state = 2)
  /\ Ticket1_state' = 0
  /\ Ticket1_owner' = 0
  /\ Ticket1_tags' = {}
  /\ Ticket1_answers' = 0

Next ==
  \/ C0
  \/ C1
  \/ C2
  \/ C3
  \/ C4
Spec == Init /\ [][Next]_vars

\* invariant few of Ticket#1
Never0 == ~(~(Ticket1_state = 0) /\ ~((Cardinality(Ticket1_tags) <= 1) \/ (0 <= (Ticket1_answers + (-1)))))
\* LT204 act Ticket#1 answer
Never1 == ~((Ticket1_state = 1) /\ ~(Ticket1_owner = 0) /\ (Ticket1_owner = 1) /\ ((Ticket1_answers + (-1)) < 3) /\ ~(Ticket1_answers <= 3))
\* LT204 act Ticket#1 answer
Never2 == ~((Ticket1_state = 1) /\ ~(Ticket1_owner = 0) /\ (Ticket1_owner = 2) /\ ((Ticket1_answers + (-1)) < 3) /\ ~(Ticket1_answers <= 3))
\* LT204 act Ticket#1 mark
Never3 == ~((Ticket1_state = 1) /\ ~(Cardinality((Ticket1_tags \cup {0})) <= 2))
\* LT204 act Ticket#1 mark
Never4 == ~((Ticket1_state = 1) /\ ~(Cardinality((Ticket1_tags \cup {1})) <= 2))
====

CONFIG
INIT Init
NEXT Next
INVARIANT Never0
INVARIANT Never1
INVARIANT Never2
INVARIANT Never3
INVARIANT Never4
