/*
 * Finality of Sunlit: can two blocks that exclude each other both become final?
 *
 * Four sealers, at most one of them faulty, a quorum of three, and a tree with two branches:
 *
 *                  .-- A1 -- A2 -- A3 -- A4
 *     genesis (0) <
 *                  '-- B1 -- B2 -- B3 -- B4
 *
 * Wherever the code is stricter than this model, the model allows more behaviour, so what never
 * happens here never happens there (docs/model/README.md says where and why).
 *
 *   spin -a finality.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -N safety
 *
 * Each of these removes one rule, and spin must then find a way to two final branches:
 *
 *   -DNO_JOURNAL         a restarted sealer forgets what it signed and may vote twice
 *   -DNO_SURROUND_RULE   a vote's source may be lower than that of an earlier vote
 *   -DSKIP_FINALIZES     a link that skips heights finalizes its source too
 *   -DFAULTY=2           more faulty sealers than a quorum of three in four can bear
 */

#ifndef FAULTY
#define FAULTY 1
#endif

#define SEALERS 4
#define QUORUM 3
#define HEIGHT_MAX 4

/* ----- blocks: a number each, and sets of them as bit masks --------------------------------- */

#define A 0
#define B 1
#define BLOCKS 9
#define BLOCK(branch, height) ((height) == 0 -> 0 : (branch) * HEIGHT_MAX + (height))
#define ONLY(block) (1 << (block))
/* Without genesis, and shifted: bit 0 is the block at height 1. */
#define ON_BRANCH(branch, blocks) \
    (((blocks) >> ((branch) * HEIGHT_MAX + 1)) & ((1 << HEIGHT_MAX) - 1))

/* Genesis is both from the start. */
unsigned justified : BLOCKS = ONLY(0);
unsigned final : BLOCKS = ONLY(0);

/* ----- votes: for each link, the set of honest sealers that signed it ------------------------ */

/* The target and the height of its ancestor, the source, name a link. */
#define LINKS (BLOCKS * HEIGHT_MAX)
#define LINK(branch, source, target) (BLOCK(branch, target) * HEIGHT_MAX + (source))
byte voters[LINKS];

#define SIZE(voters) (((voters) & 1) + (((voters) >> 1) & 1) + (((voters) >> 2) & 1))
#define EVERYONE 7

/* A faulty sealer signs anything at any time: its vote for every link is out from the start. */
#define IS_QUORUM(voters) (SIZE(voters) + FAULTY >= QUORUM)

/* ----- what the vote journal allows (consensus/voting.py, VoteJournal.refusal) --------------- */

/* No two votes for one height: a target is above all earlier ones. */
#define IS_TARGET_ABOVE(target) ((target) > highest_target)

/* No vote around an earlier one: a source is never below an earlier one. */
#ifdef NO_SURROUND_RULE
#define IS_SOURCE_KEPT(source) true
#else
#define IS_SOURCE_KEPT(source) ((source) >= highest_source)
#endif

/* The source is justified by votes that were cast before, of which a sealer may see any part. */
#define IS_JUSTIFIED(block) (justified & ONLY(block))

/* ----- what a quorum does (consensus/finality.py, FinalityTally) ----------------------------- */

/* Only a link to the source's child finalizes the source, and so all before it. */
#ifdef SKIP_FINALIZES
#define IS_FINALIZING(source, target) true
#else
#define IS_FINALIZING(source, target) ((target) == (source) + 1)
#endif

inline settle(branch, source, target) {
    /* Who else signs this link changes nothing any more: one state instead of several. */
    voters[LINK(branch, source, target)] = EVERYONE;
    justified = justified | ONLY(BLOCK(branch, target));
    if
    :: IS_FINALIZING(source, target) -> final = final | ONLY(BLOCK(branch, source))
    :: else
    fi
}

inline cast(branch, source, target) {
    printf("sealer %d votes %d -> %d on branch %c\n", me, source, target, 'A' + branch);
    highest_target = target;
    highest_source = (source > highest_source -> source : highest_source);
    voters[LINK(branch, source, target)] = voters[LINK(branch, source, target)] | me;
    if
    :: IS_QUORUM(voters[LINK(branch, source, target)]) -> settle(branch, source, target)
    :: else
    fi
}

/* ----- an honest sealer: at any moment any vote that the rules allow ------------------------- */

#define VOTE(branch, source, target)                                                 \
    :: d_step {                                                                      \
        IS_TARGET_ABOVE(target) && IS_SOURCE_KEPT(source)                            \
            && IS_JUSTIFIED(BLOCK(branch, source)) -> cast(branch, source, target)   \
    }

/* Every link of a branch: the source is an ancestor of the target, and heights may be skipped. */
#define VOTE_ON(branch)                                                              \
    VOTE(branch, 0, 1) VOTE(branch, 0, 2) VOTE(branch, 0, 3) VOTE(branch, 0, 4)      \
    VOTE(branch, 1, 2) VOTE(branch, 1, 3) VOTE(branch, 1, 4)                         \
    VOTE(branch, 2, 3) VOTE(branch, 2, 4)                                            \
    VOTE(branch, 3, 4)

proctype sealer(byte me) /* the bit that stands for it in a set of voters */
{
    /* The journal. It is durable, so a restart that finds it is no step of its own. */
    byte highest_target, highest_source;
end:
    do
    VOTE_ON(A)
    VOTE_ON(B)
#ifdef NO_JOURNAL
    :: d_step { highest_target > 0 -> highest_target = 0; highest_source = 0 }
#endif
    od
}

init {
    atomic {
        run sealer(1);
        run sealer(2);
#if SEALERS - FAULTY > 2
        run sealer(4)
#endif
    }
}

/* ----- properties ---------------------------------------------------------------------------- */

#define IS_FINAL_ON_BOTH (ON_BRANCH(A, final) && ON_BRANCH(B, final))
#define IS_JUSTIFIED_TWICE (ON_BRANCH(A, justified) & ON_BRANCH(B, justified))

/* What is final lies on one chain, and no height has two justified blocks. */
ltl safety { [] (!IS_FINAL_ON_BOTH && !IS_JUSTIFIED_TWICE) }

/* The first half alone, which every removed rule must break. */
ltl one_final_chain { [] !IS_FINAL_ON_BOTH }

/* False, or the others would hold because nothing ever happens: each branch can become final. */
ltl branch_a_stays_open { [] !ON_BRANCH(A, final) }
ltl branch_b_stays_open { [] !ON_BRANCH(B, final) }
